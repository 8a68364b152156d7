"""Stands in for VBVR's official evaluator: takes the arguments of its two commands and writes their results files.

Scores a video by its number; what it does wrong is said by the environment variable FAKE_EVALUATOR.
"""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

SPLITS = {"In-Domain_50": "In_Domain", "Out-of-Domain_50": "Out_of_Domain"}


def found(videos: Path, only: str | None) -> list[dict]:
    rows = []
    for split, name in SPLITS.items():
        for path in sorted((videos / split).glob("*/*.mp4")) if only in (None, split) else []:
            if re.fullmatch(r"\d{5}\.mp4", path.name):
                task = path.parent.name
                rows.append(
                    {
                        "video_path": str(path),
                        "task_name": task,
                        "split": name,
                        "category": "Abstraction" if task.startswith("G") else "Spatiality",
                        "score": int(path.stem) / 10 + 0.1,
                        "dimensions": {"task_specific": 0.5},
                        "error": None,
                    }
                )
    return rows


def mean(scores: list[float]) -> float:
    return sum(scores) / len(scores) if scores else 0.0


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("model_path", "gt_base", "output_dir", "videos_path", "gt_path", "output_path", "name", "split"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--device")
    given = parser.parse_args()
    wrong = os.environ.get("FAKE_EVALUATOR", "")
    if wrong == "slow":
        print("thinking", flush=True)
        time.sleep(600)
    if wrong == "crash":
        sys.exit("ImportError: no module called cv2")
    rows = found(Path(given.model_path or given.videos_path), given.split)
    if wrong == "skip":
        rows = rows[1:]
    if wrong == "error":
        rows[0] |= {"score": 0.0, "error": "division by zero"}
    if wrong.startswith("defect"):  # as the official one at 275472f, task and message
        for row in rows:
            if row["task_name"].startswith("G-24_"):
                row |= {"score": 0.0, "error": "name 'safe_distance' is not defined"}
        if wrong == "defect and another":
            rows[-1] |= {"score": 0.0, "error": "name 'safe_distance' is not defined"}
    if wrong == "nan":
        rows[0]["score"] = float("nan")
    if wrong == "large":
        rows[0]["score"] = 1.5
    if wrong == "twice":
        rows.append(rows[0])
    count = "num_samples" if given.model_path else "num_videos"
    parts = {"overall": [row["score"] for row in rows]}
    parts |= {name: [row["score"] for row in rows if row["split"] == name] for name in SPLITS.values()}
    summary = {name: {"mean_score": mean(scores), count: len(scores)} for name, scores in parts.items()}
    if wrong == "sums":
        summary["overall"]["mean_score"] += 0.1
    if given.model_path:
        out = Path(given.output_dir) / f"{Path(given.model_path).name}_vbvr_results.json"
        whole = {"model_name": Path(given.model_path).name, "summary": summary, "samples": rows}
    else:
        out = Path(given.output_path) / f"{given.name}_eval_results.json"
        categories: dict[str, dict] = {}
        for row in rows:
            categories.setdefault(row.pop("category"), {"tasks": []})["tasks"].append(row["task_name"])
        whole = {**summary, "by_category": categories, "detailed": rows}
    out.parent.mkdir(parents=True, exist_ok=True)
    if wrong != "nothing":
        out.write_text(json.dumps(whole))
    print(f"Found {len(rows)} videos", flush=True)
    if not given.model_path and wrong != "nothing":
        sys.exit(f"{summary}")  # as the installed vbvr-evaluate: sys.exit of what its main returns, so status 1


if __name__ == "__main__":
    main()
