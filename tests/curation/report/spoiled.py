"""What reports of collections are made of and spoiled with."""

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'></script></title></style><!--"


FACTS = {
    "collection": "trial",
    "version": "1.0",
    "source": "folder",
    "vlm": "scripted-test",
    "seconds": {"quality": 2.5},
}


def spoil(collection, text: str) -> None:
    """Puts `text` into every free text of every row that the report shows, ids included."""
    for stage, shards in collection.rows.items():
        for row in (row for shard in shards for row in shard):
            for name in (
                "path",
                "task",
                "solution",
                "detail",
                "vlm",
                "prompt_hash",
                "mode",
                "agent_category",
                "task_type",
                "codec",
            ):
                if name in row:
                    row[name] = text
            if row["status"] == "rejected":
                row["reason"] = f"{text} duplicate" if stage == "worldtasks" else text
