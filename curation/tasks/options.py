"""Settings of the stage `tasks`: what is asked for, and the bounds of the rules."""

from pydantic import Field

from curation.options import AskOptions, Options


class RuleOptions(Options):
    """Bounds of the rules; lengths are in words."""

    min_instruction_words: int = Field(2, ge=1, description="Fewest words of an instruction, without the agent.")
    max_instruction_words: int = Field(40, ge=1, description="Most words of an instruction, without the agent.")
    max_agent_words: int = Field(15, ge=1, description="Most words of an agent description.")
    min_solution_words: int = Field(15, ge=1, description="Fewest words of a solution, so that it is detailed.")
    max_solution_words: int = Field(200, ge=1, description="Most words of a solution.")
    max_repeated_share: float = Field(
        0.35,
        gt=0,
        le=1,
        description="Largest share of a text that repeats what it said before, in strings of 12 characters. 1: any.",
    )


class TasksOptions(RuleOptions, AskOptions):
    """What decides the pairs."""

    count: int = Field(8, ge=1, le=32, description="Pairs to write for each frame (paper: 8).")
    max_tokens: int = Field(2400, ge=64, description="Token limit of one answer. A cut answer is dropped whole.")
    seed: int = Field(0, ge=0, description="Sampling seed for the VLM.")
