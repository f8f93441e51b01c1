"""Which of Chroma's own tests are about its insides, and why: the rows that ``chroma_suite.py`` leaves out.

Everything that is not here passes. A reason is a fact about the test, not about us.
"""

from __future__ import annotations

_SERVER = "starts Chroma's own server by its class, with its providers of authentication"
_CLOUD = "mocks the parts of Chroma's client of its cloud"
_COMPONENTS = "constructs Chroma's components (SqliteDB, its queue, its segments) by a System"
_CLUSTER = "runs in Chroma's cluster only"
_MOCKS = "puts mocks in the place of Chroma's own attributes or of its stored configuration"
_PRIVATE = "calls private functions"
_DOWNLOAD = "downloads a model, or asks for its folder"
_DIFFERS = "expects an error for an unknown id in query(ids=…), which docs/compatibility.md lists"
_NO_LARGEST = "expects an error for more records than get_max_batch_size(), which docs/compatibility.md lists"
_LOCAL = "demands that Chroma's local engine refuses what its cloud does, and what works here"

#: Pattern of a file below chromadb/test -> why.
FILES: dict[str, str] = {
    "api/test_shared_system_client.py": _CLOUD,
    "auth/*": _SERVER,
    "client/create_http_client_with_basic_auth.py": _SERVER,
    "client/test_cloud_client.py": _SERVER,
    "client/test_create_http_client.py": _SERVER,
    "client/test_database_tenant_auth.py": _SERVER,
    "configurations/test_configurations.py": "the classes of configurations that Chroma has left behind",
    "db/*": _COMPONENTS,
    "distributed/*": _CLUSTER,
    "ef/test_default_ef.py": _DOWNLOAD,
    "ef/test_ef.py": "counts the modules of Chroma's package, and runs its private context of validation",
    "ef/test_onnx_mini_lm_l6_v2.py": _DOWNLOAD,
    "property/test_add_gc.py": _CLUSTER,
    "property/test_add_mcmr.py": _CLUSTER,
    "property/test_cross_version_persist.py": "installs earlier versions of Chroma",
    "property/test_fork.py": _CLUSTER,
    "segment/*": _COMPONENTS,
    "stress/*": "takes hours",
    "test_chroma.py": _COMPONENTS,
    "test_cli.py": "runs Chroma's command line",
    "utils/test_result_df_transform.py": _PRIVATE,
    "utils/test_embedding_function_schemas.py": "reads the JSON schemas of Chroma's package",
}

#: File below chromadb/test -> test, without its parameters -> why.
TESTS: dict[str, dict[str, str]] = {
    "api/test_delete_database.py": {"test_collection_was_removed": _COMPONENTS},
    "api/test_schema_e2e.py": {
        "test_embeds_using_schema_embedding_function": "gives a plain object as the server",
        "test_sparse_vector_not_allowed_locally": _LOCAL,
    },
    "configurations/test_collection_configuration.py": {
        "test_get_collection_with_invalid_configuration": "writes into the model of a collection, which is fixed here",
        "test_invalid_configuration_operations_succeed_until_embed": _MOCKS,
    },
    "ef/test_ollama_ef.py": {"test_ollama_ask_user_to_install": "the package ollama is not needed here"},
    "property/test_add.py": {"test_add_large_exceeding": _NO_LARGEST},
    "property/test_base64_conversion.py": {
        "test_base64_conversion_is_identity_f16": "throws away most of what Hypothesis makes, which ends it by chance",
    },
    "property/test_client_url.py": dict.fromkeys(("test_url_resolve", "test_resolve_invalid"), _PRIVATE),
    "property/test_collections_with_database_tenant_overwrite.py": dict.fromkeys(
        ("test_collections_with_tenant_database_overwrite", "test_repeat_failure"), _COMPONENTS
    ),
    "property/test_persist.py": {"test_sync_threshold": _COMPONENTS},
    "property/test_schema.py": {
        "test_vector_index_configuration_create_collection": "expects, by chance, that metadata count beside a "
        "configuration of SPANN, which Chroma's local engine does not do"
    },
    "test_api.py": {
        "test_query_id_filtering_e2e": _DIFFERS,
        "test_ssl_self_signed": _SERVER,
        "test_ssl_self_signed_without_ssl_verify": _SERVER,
    },
    "test_client.py": {
        "test_http_client": _SERVER,
        "test_http_client_with_inconsistent_host_settings": _SERVER,
        "test_http_client_with_inconsistent_port_settings": _SERVER,
        "test_fastapi_uses_http_limits_from_settings": _MOCKS,
        **dict.fromkeys(
            (
                "test_ephemeral_client_close",
                "test_ephemeral_client_context_manager",
                "test_persistent_client_close",
                "test_persistent_client_context_manager",
            ),
            "asks whether Chroma's System is running",
        ),
    },
    "test_config.py": {
        "test_partial": _COMPONENTS,
        "test_runtime_dependencies": _COMPONENTS,
        "test_system_override_order": _COMPONENTS,
        "test_system_startup": _COMPONENTS,
    },
}

#: Module of Chroma's tests -> function that does nothing in its place -> why; the tests that call it are run.
PASSED_OVER: dict[str, dict[str, str]] = {
    "chromadb.test.property.invariants": {"log_size_below_max": "reads the queue of Chroma's local engine"},
}
