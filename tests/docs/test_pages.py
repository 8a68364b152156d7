"""What the pages name is there: files, headings, commands, recipes, options."""

import re
from importlib.util import find_spec

import pytest

from storage.collection import NAME
from tests.docs.pages import PAGES, REPOSITORY

ROOMS = [*sorted(path.parent.name for path in REPOSITORY.glob("*/__init__.py")), "tests", "docs", "recipes"]
# A path of the repository; one with a place to fill in (<stage>, NAME, *, {i}) is none.
PATH = re.compile(rf"({'|'.join(ROOMS)})/[a-z0-9_./-]*")
TARGET = re.compile(r"make ([a-z][a-z-]*)\b")
MODULE = re.compile(r"python -m ([A-Za-z_][\w.]*)")
SCRIPT = re.compile(r"python ([\w./-]+\.py)")
RECIPE = re.compile(r"recipes/([\w-]+)\.yaml")
YOURS = re.compile(r"my_\w+|NAME|x")  # a recipe that the reader writes

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pages
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(page):
    known = {other.path: other for other in PAGES}
    for link in page.links:
        name, _, place = link.partition("#")
        target = (page.path.parent / name).resolve() if name else page.path
        assert target.exists(), f"{page.name}: {link}"
        if place:
            assert place in known[target].anchors, f"{page.name}: {link}: no such heading"


@pages
def test_every_make_target_is_in_the_makefile(page):
    known = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    told = {match[1] for command in page.commands if (match := TARGET.match(command))}
    assert told <= set(known), f"{page.name}: {sorted(told - set(known))}"


@pages
def test_every_module_and_script_that_is_started_is_there(page):
    if page.name == "CHANGELOG.md":
        return  # it names what was there before
    for command in page.commands:
        for module in MODULE.findall(command):
            own = module.partition(".")[0] in ROOMS
            assert find_spec(module if own else module.partition(".")[0]), f"{page.name}: {command}"
        for script in SCRIPT.findall(command):
            if script.partition("/")[0] in ROOMS:
                assert (REPOSITORY / script).is_file(), f"{page.name}: {command}"


@pages
def test_every_recipe_is_there_or_the_readers_own(page):
    told = {name for name in RECIPE.findall(page.text) if not YOURS.fullmatch(name)}
    known = {path.stem for path in (REPOSITORY / "recipes").glob("*.yaml")}
    assert told <= known, f"{page.name}: {sorted(told - known)}"


@pages
def test_every_path_of_the_repository_that_is_named_is_there(page):
    if page.name == "CHANGELOG.md":
        return
    for word in page.inline:
        if PATH.fullmatch(word) and not RECIPE.fullmatch(word):
            assert (REPOSITORY / word).exists(), f"{page.name}: {word}"


def test_the_names_of_collections_in_recipes_are_names():
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "recipes").glob("*.yaml")]
    told = {match for text in texts for match in re.findall(r"root: data\n +name: (\w+)", text)}
    assert told and all(NAME.fullmatch(name) for name in told)
