"""What stages are given: the collection's folder and the VLM. Both are set in the run config (`resources:`)."""

from pathlib import Path
from typing import Any, Protocol

import dagster as dg
from pydantic import Field

from assets.support.alive import enter_run
from curation.shards import KEYS
from microworld.vlm import build_vlm
from models.vlm.api_key import check_key
from models.vlm.options import VLMOptions
from models.vlm.preflight import Needs, preflight
from models.vlm.prompts import template_hash
from models.vlm.protocol import VLM
from storage.collection import Store


class CollectionResource(dg.ConfigurableResource):
    """The folder that holds all files of one source: tables, frames, releases, trainings, evaluations."""

    root: str = Field("data", description="Folder of all collections, relative to the repository root.")
    name: str = Field("microworld", description="Folder of this collection below root. Use one for each source.")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        if context.run is not None and context.instance is not None:
            for run_id in enter_run(context.instance, context.run.run_id):
                context.log.warning(f"run {run_id} has died. Its slots in the pools are free again")

    def place(self) -> Store:
        """Where the collection lies; nothing is read or written."""
        return Store(Path(self.root).resolve(), self.name, KEYS)

    def store(self) -> Store:
        """The collection, its number of shards checked."""
        store = self.place()
        store.check_shards()
        return store


class VLMResource(VLMOptions, dg.ConfigurableResource):
    """The vision-language model that screens frames, writes tasks and classifies them."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        check_key(self.api_key_env)

    def build(self) -> VLM:
        return build_vlm(self)

    def ask_ahead(self, needs: Needs) -> None:
        """Asks a server in small what it will be asked, once a process. Raises NotReady where it cannot answer."""
        preflight(self, needs)

    def identity(self, prompt_name: str, prompt_version: int | None) -> dict[str, Any]:
        """What decides an answer, for the fingerprint of a stage's table."""
        return {
            "vlm": self.decisive(),
            "prompt": template_hash(prompt_name, prompt_version),
        }


class DatasetBuilder(Protocol):
    """Builds a collection from its recipe: pipelines/resources.py, since the job that does it lies above the assets."""

    def build(self, instance: dg.DagsterInstance, recipe: Path, root: str, name: str) -> None:
        """Runs the recipe into the collection `root/name`. Raises what the run raises."""
