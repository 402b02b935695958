"""Files, programs, environment, tools and memory of the machine. It knows nothing of models or builds."""
