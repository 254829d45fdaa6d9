"""The list of models."""

from __future__ import annotations

import httpx2

from claude_magic.messages import limits

from .conftest import Api


def get(api: Api, path: str = "/v1/models", **query: str | int) -> httpx2.Response:
    return api.http.get(path, params=query, headers=api.headers)


def test_list(api: Api) -> None:
    page = get(api, limit=1000).json()
    ids = [entry["id"] for entry in page["data"]]
    assert set(ids) == {model.id for model in limits.models()}
    created = [entry["created_at"] for entry in page["data"]]
    assert created == sorted(created, reverse=True)
    assert (page["has_more"], page["first_id"], page["last_id"]) == (False, ids[0], ids[-1])


def test_paging(api: Api) -> None:
    whole = [entry["id"] for entry in get(api, limit=1000).json()["data"]]
    forwards, after = [], dict[str, str]()
    while True:
        page = get(api, limit=5, **after).json()
        forwards += [entry["id"] for entry in page["data"]]
        after = {"after_id": page["last_id"]}
        if not page["has_more"]:
            break
    assert forwards == whole
    page = get(api, limit=5, before_id=whole[7]).json()
    assert ([entry["id"] for entry in page["data"]], page["has_more"]) == (whole[2:7], True)
    page = get(api, limit=5, before_id=whole[3]).json()
    assert ([entry["id"] for entry in page["data"]], page["has_more"]) == (whole[:3], False)
    assert get(api).json()["data"][0]["id"] == whole[0]


def test_lifecycles(api: Api) -> None:
    found = {name: get(api, **{"lifecycle[]": name, "limit": "99"}).json()["data"] for name in ("active", "deprecated")}
    assert [entry["id"] for entry in found["deprecated"]] == ["claude-sonnet-4-5"]
    assert found["deprecated"][0]["retires_at"] == "2026-11-30T00:00:00Z"
    assert len(found["active"]) == len(limits.models()) - 1
    assert get(api, **{"lifecycle[]": "retired"}).json() == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


def test_bad_queries(api: Api) -> None:
    assert get(api, limit=0).status_code == 400
    assert get(api, limit="x").status_code == 400
    assert get(api, after_id="claude-nothing").status_code == 400
    assert get(api, **{"lifecycle[]": "odd"}).status_code == 400
    assert api.http.get("/v1/models").status_code == 401


def test_one(api: Api) -> None:
    entry = get(api, "/v1/models/claude-sonnet-4-5-20250929").json()
    assert (entry["id"], entry["display_name"], entry["max_tokens"]) == (
        "claude-sonnet-4-5",
        "Claude Sonnet 4.5",
        64_000,
    )
    assert get(api, "/v1/models/claude-nothing").json()["error"]["message"] == "model: claude-nothing"


def test_capabilities_say_what_the_table_says(api: Api) -> None:
    for entry in get(api, limit=1000).json()["data"]:
        model = limits.lookup(entry["id"])
        types = entry["capabilities"]["thinking"]["types"]
        assert {name for name, about in types.items() if about["supported"]} == set(model.thinking)
        levels = entry["capabilities"]["effort"]
        assert tuple(level for level in model.effort if levels[level]["supported"]) == model.effort
        assert levels["supported"] == bool(model.effort)
