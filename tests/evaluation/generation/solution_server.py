"""VLMs that write solutions, or do not."""

from models.vlm.protocol import Completion, Usage, VLMUnavailable


class Writer:
    """Answers with T and the number of the request. `refuses` and `fails`: words in T that make it do so."""

    model_id = "writer"

    def __init__(self, refuses: str = "\0", fails: str = "\0"):
        self.refuses, self.fails = refuses, fails
        self.asked: list[str] = []
        self.closed = 0

    async def complete(self, prompt, media, schema, *, max_tokens, seed=0) -> Completion:
        task = prompt.fields["task"]
        self.asked.append(task)
        if self.refuses in task:
            return Completion(None, "I will not.", Usage(), "refused")
        if self.fails in task:
            raise VLMUnavailable("http_500", "the server is down")
        return Completion({"solution": f"  {task}\n done  "}, "", Usage())

    async def aclose(self) -> None:
        self.closed += 1
