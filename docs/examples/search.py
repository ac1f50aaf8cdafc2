#!/usr/bin/env python3
"""Hybrid search over gRPC: search.py HOST:PORT COLLECTION QUESTION

Make the stubs once, from the root of the repository, and say where they are:
    mkdir -p build/stubs
    protoc -I api/proto --python_out=build/stubs --grpc_out=build/stubs \\
        --plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin api/proto/vouch/v1/*.proto
    export PYTHONPATH=build/stubs
"""
import json
import sys

import grpc
from vouch.v1 import search_pb2, search_pb2_grpc


def main() -> int:
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    address, collection, question = sys.argv[1:]
    with grpc.insecure_channel(address) as channel:
        # [search]
        search = search_pb2_grpc.SearchStub(channel)
        reply = search.Search(
            search_pb2.SearchRequest(
                collection=collection,
                query=search_pb2.QueryNode(text_query=search_pb2.TextQuery(text=question)),
                limit=5,
            ),
            timeout=5,
        )
        for rank, hit in enumerate(reply.hits, start=1):
            payload = json.loads(hit.point.payload_json)
            print(rank, f"{hit.score:.4f}", hit.point.id.text, payload.get("title", ""))
        print("version", reply.version)
        # [search]
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except grpc.RpcError as error:
        print(f"{error.code().name}: {error.details()}", file=sys.stderr)
        sys.exit(1)
