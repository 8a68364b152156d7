"""Every call of vllm_local.py against vLLM's real source, read and not run: it needs no GPU and imports nothing.

The source is that of the installed package, or of an unpacked wheel: VLLM_SOURCE=FOLDER pytest tests/models/vlm/...
"""

import ast
import importlib.util
import os
from pathlib import Path

import pytest

from models.vlm import openai_wire, vllm_local

# What a name in vllm_local.py is, where no import says so: expression -> class of vLLM.
INSTANCES = {
    "current_platform": ("vllm.platforms.interface", "Platform"),  # made when first read
    "self._engine": ("vllm.v1.engine.async_llm", "AsyncLLM"),
    "renderer": ("vllm.renderers.base", "BaseRenderer"),
    "renderer.default_chat_tok_params": ("vllm.renderers.params", "TokenizeParams"),
}
READ = {
    ("vllm.outputs", "RequestOutput"): ["prompt_token_ids", "outputs"],
    ("vllm.outputs", "CompletionOutput"): ["text", "token_ids", "logprobs", "finish_reason"],
    ("vllm.logprobs", "Logprob"): ["logprob"],
    ("vllm.v1.engine.async_llm", "AsyncLLM"): ["renderer"],
    ("vllm.sampling_params", "RequestOutputKind"): ["FINAL_ONLY"],
}


@pytest.fixture(scope="module")
def source() -> Path:
    if folder := os.environ.get("VLLM_SOURCE"):
        return Path(folder)
    found = importlib.util.find_spec("vllm")
    if found is None:
        pytest.skip("vllm is not installed and VLLM_SOURCE names no unpacked wheel: docs/vlm.md has the last check")
    return Path(found.origin).parent.parent


@pytest.fixture(scope="module")
def ours() -> ast.Module:
    return ast.parse(Path(vllm_local.__file__).read_text())


def module_file(source: Path, module: str) -> Path:
    path = source.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def definition(source: Path, module: str, name: str) -> ast.AST:
    """The class or function `name` of `module`, followed through imports. Fails when it is not there."""
    tree = ast.parse(module_file(source, module).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            return node
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            package = module if module_file(source, module).name == "__init__.py" else module.rpartition(".")[0]
            package = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            return definition(source, ".".join(filter(None, [package, node.module])), name)
    pytest.fail(f"{module} of this vLLM has no {name}")


def members(source: Path, module: str, name: str) -> dict[str, ast.AST]:
    """Methods, fields and attributes set in __init__, of a class and its bases in vLLM."""
    node = definition(source, module, name)
    found: dict[str, ast.AST] = {}
    for base in node.bases:
        base = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(base, ast.Name) and base.id not in ("Generic", "ABC", "Protocol", "Enum"):
            tree = ast.parse(module_file(source, module).read_text())
            local = {n.name for n in tree.body if isinstance(n, ast.ClassDef)}
            imports = {
                a.asname or a.name: n.module for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names
            }
            origin = module if base.id in local else imports.get(base.id)
            if origin and origin.startswith("vllm"):
                found |= members(source, origin, base.id)
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            found[item.name] = item
        elif isinstance(item, ast.AnnAssign):
            found[item.target.id] = item
        elif isinstance(item, ast.Assign):
            found |= {target.id: item for target in item.targets if isinstance(target, ast.Name)}
    for assigned in ast.walk(found["__init__"]) if "__init__" in found else ():
        for target in assigned.targets if isinstance(assigned, ast.Assign) else ():
            if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self":
                found.setdefault(target.attr, assigned)
    return found


def check_call(call: ast.Call, function: ast.AST, what: str) -> None:
    """The call's arguments fit the function: positions, keywords, nothing required left out."""
    arguments = function.args
    positional = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]][1:]
    named = {*positional, *(argument.arg for argument in arguments.kwonlyargs)}
    given = {*positional[: len(call.args)], *(keyword.arg for keyword in call.keywords if keyword.arg)}
    assert len(call.args) <= len(positional), what
    if not arguments.kwarg:
        assert given <= named, f"{what}: unknown {given - named}"
    required = set(positional[: len(positional) - len(arguments.defaults)])
    assert required <= given, f"{what}: missing {required - given}"


def test_every_import_exists(source, ours):
    imports = [node for node in ast.walk(ours) if isinstance(node, ast.ImportFrom) and node.module.startswith("vllm")]
    assert len(imports) >= 5
    for node in imports:
        for alias in node.names:
            definition(source, node.module, alias.name)


def test_every_call_fits_its_signature(source, ours):
    classes = {
        alias.name: node.module
        for node in ast.walk(ours)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("vllm")
        for alias in node.names
    }
    checked = []
    for call in (node for node in ast.walk(ours) if isinstance(node, ast.Call)):
        called = ast.unparse(call.func)
        owner, _, method = called.rpartition(".")
        if called in classes:
            known = members(source, classes[called], called)
            if "__init__" in known:
                check_call(call, known["__init__"], called)
            for keyword in call.keywords:
                if keyword.arg and "__init__" not in known:
                    assert keyword.arg in known, f"{called} has no field {keyword.arg}"
        elif owner in classes or owner in INSTANCES:
            module, name = INSTANCES[owner] if owner in INSTANCES else (classes[owner], owner)
            known = members(source, module, name)
            assert method in known, f"{name} has no {method}"
            check_call(call, known[method], called)
        else:
            continue
        checked.append(called)
    assert {
        "AsyncEngineArgs",
        "AsyncLLM.from_engine_args",
        "StructuredOutputsParams",
        "SamplingParams",
        "ChatParams",
        "self._engine.generate",
        "self._engine.get_tokenizer",
        "self._engine.shutdown",
        "renderer.render_chat_async",
        "renderer.default_chat_tok_params.with_kwargs",
    } <= set(checked)


def test_sampling_parameters_that_are_passed_on_exist(source, ours):
    known = members(source, "vllm.sampling_params", "SamplingParams")
    passed = {
        keyword.arg
        for call in ast.walk(ours)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "self._generate"
        for keyword in call.keywords
    }
    assert passed == {"max_tokens", "temperature", "seed", "structured_outputs", "logprob_token_ids"}
    assert passed <= known.keys()


@pytest.mark.parametrize(("place", "names"), READ.items(), ids=lambda value: value[-1])
def test_every_attribute_that_is_read_exists(source, place, names):
    assert set(names) <= members(source, *place).keys()


def test_the_servers_request_knows_the_extensions_that_the_http_client_sends(source):
    known = members(source, "vllm.entrypoints.openai.chat_completion.protocol", "ChatCompletionRequest")
    extensions = openai_wire.log_odds_options([1])["extra_body"].keys() | {"chat_template_kwargs"}
    assert extensions <= known.keys()
    tokenize = members(source, "vllm.entrypoints.serve.tokenize.protocol", "TokenizeCompletionRequest")
    assert {"model", "prompt", "add_special_tokens"} <= tokenize.keys()
    assert "tokens" in members(source, "vllm.entrypoints.serve.tokenize.protocol", "TokenizeResponse")
    placeholder = definition(source, "vllm.entrypoints.generate.base.serving", "format_token_id_placeholder")
    assert "token_id:{token_id}" in ast.unparse(placeholder)
    assert openai_wire.token_name(7) == "token_id:7"
