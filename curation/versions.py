"""Prints which version each stage's code has, and by which digest.

    python -m curation.versions

A digest that is in no `known` (see code_version.py) is marked: the next run makes anew what is of an earlier one.
"""

from curation.assembly.code import CODE as ASSEMBLY
from curation.code_version import CodeVersion
from curation.release.code import CODE as RELEASE
from curation.report.code import CODE as REPORT
from curation.stages import STAGES

# What is made -> the code that decides it. The report is not: it is made anew whenever its code changes.
DECIDED: dict[str, CodeVersion] = {stage.name: stage.code for stage in STAGES} | {
    "worldtasks": ASSEMBLY,
    "published_dataset": RELEASE,
}


def main() -> None:
    for name, code in (DECIDED | {"curation_report": REPORT}).items():
        told = f"version {code.version}" if code.digest in code.known else "not in `known`: its digest is its version"
        print(f"{name:18} {code.digest}  {told}")


if __name__ == "__main__":
    main()
