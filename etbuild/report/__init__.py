"""What people read: manifest, report, tables, sweeps."""
