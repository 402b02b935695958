"""The eleven NPUs of recipe `mnist`, from the model to eleven .pte, against eleven runs of aot_arm_compiler.

    python benchmarks/sweep.py                nothing cached, the server started cold; the bar is 0.12
    python benchmarks/sweep.py --server off   every step a plain process; the bar is 0.6
    python benchmarks/sweep.py --mv2          MobileNetV2 on six NPUs, two steps at a time; the bar is 0.25
    python benchmarks/sweep.py --npus ethos-u55-128 ethos-u85-256

The peer runs once an NPU, on the same model with the same system config and memory mode; both in one run.
"""

from __future__ import annotations

import argparse
import sys

from bench import Bench, bench, within

MV2 = """# yaml-language-server: $schema=../schemas/recipe.schema.json
extends: mv2_u65.yaml
targets:
  - {npu: [ethos-u55-128, ethos-u55-256], system_config: Ethos_U55_High_End_Embedded, memory_mode: Shared_Sram}
  - {npu: [ethos-u65-256, ethos-u65-512], system_config: Ethos_U65_High_End, memory_mode: Shared_Sram}
  - {npu: [ethos-u85-256, ethos-u85-512], system_config: Ethos_U85_SYS_DRAM_Mid, memory_mode: Shared_Sram}
"""


def main() -> int:
    options = parser().parse_args()
    recipe = "mv2" if options.mv2 else "mnist"
    bar = 0.6 if options.server == "off" else 0.25 if options.mv2 else 0.12
    with bench(ETBUILD_SERVER=options.server) as ours:
        (ours.root / "recipes/mv2.yaml").write_text(MV2)
        targets = [one for one in ours.targets(recipe) if not options.npus or one.npu in options.npus]
        built = ours.doit(*parallel(options), *(f"pte:{recipe}@{one.variant}" for one in targets)).seconds
        peer = [once(ours, recipe, one) for one in targets]
    print(f"aot_arm_compiler: {len(peer)} runs, {sum(peer):.1f} s")
    return 0 if within(bar, f"{recipe} for {len(targets)} NPUs", [built], sum(peer)) else 1


def parallel(options: argparse.Namespace) -> list[str]:
    jobs = options.jobs or (2 if options.mv2 else 1)
    return ["-n", str(jobs)] if jobs > 1 else []


def once(ours: Bench, recipe: str, target: object) -> float:
    seconds = ours.peer(recipe, target).seconds
    print(f"  {target.npu:<16} {seconds:.1f} s", flush=True)
    return seconds


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--npus", nargs="*", help="only these")
    made.add_argument("--mv2", action="store_true", help="MobileNetV2 instead of mnist")
    made.add_argument("--jobs", type=int, help="doit -n; default: 1, with --mv2 2")
    made.add_argument("--server", choices=("on", "off"), default="on")
    return made


if __name__ == "__main__":
    sys.exit(main())
