"""The code, templates and styles that decide the report's page."""

from curation.code_version import ROOT, CodeVersion

SUFFIXES = {".py", ".j2", ".css", ".js"}
CODE = CodeVersion(
    tuple(
        sorted(
            path.relative_to(ROOT).as_posix()
            for folder in ("curation/report", "pages")
            for path in (ROOT / folder).glob("*.*")
            if path.suffix in SUFFIXES
        )
    )
)
