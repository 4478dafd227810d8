/* SPDX-License-Identifier: MIT
 *
 * Every metric of this version and every closed set of label values, one line
 * each. The enums here index them; metrics_table.c expands the same lists into names
 * and texts. A family is listed once something counts it.
 */
#ifndef OBSERVE_METRICS_DEF_H
#define OBSERVE_METRICS_DEF_H

/* --- label values: X(enumerator, text) ------------------------------------ */

#define METRIC_METHODS(X)                                                                          \
	X(METHOD_GET, "GET")                                                                       \
	X(METHOD_HEAD, "HEAD")                                                                     \
	X(METHOD_PUT, "PUT")                                                                       \
	X(METHOD_POST, "POST")                                                                     \
	X(METHOD_DELETE, "DELETE")                                                                 \
	X(METHOD_OPTIONS, "OPTIONS")                                                               \
	X(METHOD_PATCH, "PATCH")                                                                   \
	X(METHOD_OTHER, "OTHER")

/* What the S3 side can answer; see metrics_status(). */
#define METRIC_STATUS_CODES(X)                                                                     \
	X(CODE_200, "200")                                                                         \
	X(CODE_204, "204")                                                                         \
	X(CODE_206, "206")                                                                         \
	X(CODE_304, "304")                                                                         \
	X(CODE_307, "307")                                                                         \
	X(CODE_400, "400")                                                                         \
	X(CODE_403, "403")                                                                         \
	X(CODE_404, "404")                                                                         \
	X(CODE_405, "405")                                                                         \
	X(CODE_408, "408")                                                                         \
	X(CODE_409, "409")                                                                         \
	X(CODE_411, "411")                                                                         \
	X(CODE_412, "412")                                                                         \
	X(CODE_413, "413")                                                                         \
	X(CODE_416, "416")                                                                         \
	X(CODE_429, "429")                                                                         \
	X(CODE_431, "431")                                                                         \
	X(CODE_499, "499") /* the client went away */                                              \
	X(CODE_500, "500")                                                                         \
	X(CODE_501, "501")                                                                         \
	X(CODE_502, "502")                                                                         \
	X(CODE_503, "503")                                                                         \
	X(CODE_504, "504")                                                                         \
	X(CODE_507, "507")                                                                         \
	X(CODE_OTHER, "other")

#define METRIC_OPERATIONS(X)                                                                       \
	X(OPERATION_PUT, "PutObject")                                                              \
	X(OPERATION_GET, "GetObject")                                                              \
	X(OPERATION_HEAD, "HeadObject")                                                            \
	X(OPERATION_COPY, "CopyObject")                                                            \
	X(OPERATION_DELETE, "DeleteObject")                                                        \
	X(OPERATION_DELETE_MANY, "DeleteObjects")                                                  \
	X(OPERATION_LIST, "ListObjects")                                                           \
	X(OPERATION_CREATE_UPLOAD, "CreateMultipartUpload")                                        \
	X(OPERATION_PART, "UploadPart")                                                            \
	X(OPERATION_COMPLETE, "CompleteMultipartUpload")                                           \
	X(OPERATION_ABORT, "AbortMultipartUpload")

#define METRIC_BACKEND_OPERATIONS(X)                                                               \
	X(BACKEND_OP_PUT, "PutObject")                                                             \
	X(BACKEND_OP_GET, "GetObject")                                                             \
	X(BACKEND_OP_HEAD, "HeadObject")                                                           \
	X(BACKEND_OP_DELETE, "DeleteObject")                                                       \
	X(BACKEND_OP_LIST, "ListObjectsV2")                                                        \
	X(BACKEND_OP_COPY, "CopyObject")

#define METRIC_WRITES(X)                                                                           \
	X(WRITE_PUT, "PutObject")                                                                  \
	X(WRITE_COPY, "CopyObject")                                                                \
	X(WRITE_PART, "UploadPart")                                                                \
	X(WRITE_REPLICA, "Replicate")

#define METRIC_RESULTS(X)                                                                          \
	X(RESULT_SUCCESS, "success")                                                               \
	X(RESULT_ERROR, "error")

#define METRIC_LIMITS(X)                                                                           \
	X(LIMIT_READ, "read")                                                                      \
	X(LIMIT_WRITE, "write")

#define METRIC_VARIANTS(X)                                                                         \
	X(VARIANT_SIGNED, "signed")                                                                \
	X(VARIANT_SIGNED_TRAILER, "signed_trailer")                                                \
	X(VARIANT_UNSIGNED_TRAILER, "unsigned_trailer")

#define METRIC_STREAMING_REASONS(X)                                                                \
	X(STREAMING_CHUNK_SIGNATURE, "chunk_signature_mismatch")                                   \
	X(STREAMING_TRAILER_SIGNATURE, "trailer_signature_mismatch")                               \
	X(STREAMING_CHUNK_MALFORMED, "chunk_malformed")                                            \
	X(STREAMING_CHUNK_TOO_LARGE, "chunk_too_large")                                            \
	X(STREAMING_DECODED_LENGTH, "decoded_length_mismatch")                                     \
	X(STREAMING_TRAILER_MALFORMED, "trailer_malformed")

#define METRIC_INTENT_RESULTS(X)                                                                   \
	X(INTENT_COMMITTED, "committed")                                                           \
	X(INTENT_DROPPED, "dropped")                                                               \
	X(INTENT_AMBIGUOUS, "ambiguous")               /* not known by the writer */               \
	X(INTENT_ALREADY_RESOLVED, "already_resolved") /* the writer came late */

#define METRIC_INTEGRITY_OPERATIONS(X)                                                             \
	X(INTEGRITY_READ, "read")                                                                  \
	X(INTEGRITY_REPLICATE, "replicate")

#define METRIC_STRATEGIES(X)                                                                       \
	X(STRATEGY_PACK, "pack")                                                                   \
	X(STRATEGY_SPREAD, "spread")

#define METRIC_SKIPS(X)                                                                            \
	X(SKIPPED_THRESHOLD, "threshold")                                                          \
	X(SKIPPED_EMPTY_PLAN, "empty_plan")

#define METRIC_BREAKER_STATES(X) /* in the order of enum breaker_state */                          \
	X(STATE_CLOSED, "closed")                                                                  \
	X(STATE_OPEN, "open")                                                                      \
	X(STATE_HALF_OPEN, "half-open")

#define METRIC_SERVICES(X)                                                                         \
	X(SERVICE_CLEANUP_QUEUE, "cleanup_queue")                                                  \
	X(SERVICE_PENDING_REAPER, "pending_reaper")                                                \
	X(SERVICE_LIFECYCLE, "lifecycle")                                                          \
	X(SERVICE_REPLICATION, "replication")                                                      \
	X(SERVICE_OVER_REPLICATION, "over_replication_cleanup")                                    \
	X(SERVICE_REBALANCE, "rebalance")                                                          \
	X(SERVICE_RECONCILE, "reconcile")                                                          \
	X(SERVICE_REMOVE, "remove")                                                                \
	X(SERVICE_DRAIN, "drain")                                                                  \
	X(SERVICE_MULTIPART_CLEANUP, "multipart_cleanup")

#define METRIC_LIFECYCLE_RESULTS(X)                                                                \
	X(LIFECYCLE_SUCCESS, "success")                                                            \
	X(LIFECYCLE_PARTIAL, "partial") /* some failed */                                          \
	X(LIFECYCLE_ERROR, "error")

#define METRIC_TICKS(X)                                                                            \
	X(TICK_SUCCESS, "success")                                                                 \
	X(TICK_ERROR, "error")                                                                     \
	X(TICK_SKIPPED, "skipped") /* another daemon holds the lock */

#define METRIC_CLEANUP_RESULTS(X)                                                                  \
	X(CLEANUP_SUCCESS, "success")                                                              \
	X(CLEANUP_SUCCESS_ABSENT, "success_absent")                                                \
	X(CLEANUP_RETRY, "retry")                                                                  \
	X(CLEANUP_EXHAUSTED, "exhausted")

#define METRIC_CLEANUP_STAGES(X)                                                                   \
	X(STAGE_ENQUEUE, "enqueue")                                                                \
	X(STAGE_ORPHAN_BYTES, "orphan_bytes")

#define METRIC_CLEANUP_REASONS(X)                                                                  \
	X(REASON_ORPHAN_RECORD_FAILED, "orphan_record_failed")                                     \
	X(REASON_ORPHAN_PART_RECORD_FAILED, "orphan_part_record_failed")                           \
	X(REASON_OVERWRITE_DISPLACED, "overwrite_displaced")                                       \
	X(REASON_DELETE_FAILED, "delete_failed")                                                   \
	X(REASON_BATCH_DELETE_FAILED, "batch_delete_failed")                                       \
	X(REASON_COMPLETE_PART_CLEANUP, "complete_part_cleanup")                                   \
	X(REASON_ABORT_PART_CLEANUP, "abort_part_cleanup")                                         \
	X(REASON_PART_REPLACED, "part_replaced")                                                   \
	X(REASON_REBALANCE_ORPHAN, "rebalance_orphan")                                             \
	X(REASON_REBALANCE_STALE_ORPHAN, "rebalance_stale_orphan")                                 \
	X(REASON_REBALANCE_SOURCE_DELETE, "rebalance_source_delete")                               \
	X(REASON_REPLICATION_ORPHAN, "replication_orphan")                                         \
	X(REASON_OVER_REPLICATION, "over_replication")                                             \
	X(REASON_INTEGRITY_FAILED, "integrity_failed")                                             \
	X(REASON_INTEGRITY_SCRUB_FAILED, "integrity_scrub_failed")                                 \
	X(REASON_DRAIN_RACE_ABORTED, "drain_race_aborted")                                         \
	X(REASON_DRAIN_ORPHAN, "drain_orphan")                                                     \
	X(REASON_DRAIN_STALE_ORPHAN, "drain_stale_orphan")                                         \
	X(REASON_DRAIN_SOURCE_DELETE, "drain_source_delete")                                       \
	X(REASON_RECONCILE_ORPHAN, "reconcile_orphan")                                             \
	X(REASON_BACKEND_REMOVED, "backend_removed")                                               \
	X(REASON_OBJECT_DELETED, "object_deleted")                                                 \
	X(REASON_INTENT_EXPIRED, "intent_expired")                                                 \
	X(REASON_OTHER, "other")

#define METRIC_RELOADS(X)                                                                          \
	X(RELOAD_RESULT_OK, "ok")                                                                  \
	X(RELOAD_RESULT_PARTIAL, "partial") /* quota limits could not be written */                \
	X(RELOAD_RESULT_FAILED, "failed")

#define METRIC_EVENTS(X)                                                                           \
	X(EVENT_S3_PUT_OBJECT, "s3.PutObject")                                                     \
	X(EVENT_S3_GET_OBJECT, "s3.GetObject")                                                     \
	X(EVENT_S3_HEAD_OBJECT, "s3.HeadObject")                                                   \
	X(EVENT_S3_DELETE_OBJECT, "s3.DeleteObject")                                               \
	X(EVENT_S3_DELETE_OBJECTS, "s3.DeleteObjects")                                             \
	X(EVENT_S3_COPY_OBJECT, "s3.CopyObject")                                                   \
	X(EVENT_S3_LIST_OBJECTS_V1, "s3.ListObjectsV1")                                            \
	X(EVENT_S3_LIST_OBJECTS_V2, "s3.ListObjectsV2")                                            \
	X(EVENT_S3_CREATE_BUCKET, "s3.CreateBucket")                                               \
	X(EVENT_S3_HEAD_BUCKET, "s3.HeadBucket")                                                   \
	X(EVENT_S3_GET_BUCKET_LOCATION, "s3.GetBucketLocation")                                    \
	X(EVENT_S3_GET_BUCKET_VERSIONING, "s3.GetBucketVersioning")                                \
	X(EVENT_S3_PUT_BUCKET_VERSIONING, "s3.PutBucketVersioning")                                \
	X(EVENT_S3_LIST_OBJECT_VERSIONS, "s3.ListObjectVersions")                                  \
	X(EVENT_S3_GET_OBJECT_TAGGING, "s3.GetObjectTagging")                                      \
	X(EVENT_S3_PUT_OBJECT_TAGGING, "s3.PutObjectTagging")                                      \
	X(EVENT_S3_DELETE_OBJECT_TAGGING, "s3.DeleteObjectTagging")                                \
	X(EVENT_S3_GET_OBJECT_ACL, "s3.GetObjectAcl")                                              \
	X(EVENT_S3_PUT_OBJECT_ACL, "s3.PutObjectAcl")                                              \
	X(EVENT_S3_LIST_BUCKETS, "s3.ListBuckets")                                                 \
	X(EVENT_S3_AUTH_FAILURE, "s3.AuthFailure")                                                 \
	X(EVENT_S3_INVALID_PATH, "s3.InvalidPath")                                                 \
	X(EVENT_S3_BUCKET_MISMATCH, "s3.BucketMismatch")                                           \
	X(EVENT_S3_METHOD_NOT_ALLOWED, "s3.MethodNotAllowed")                                      \
	X(EVENT_S3_NOT_IMPLEMENTED, "s3.NotImplemented")                                           \
	X(EVENT_STORAGE_PUT_OBJECT, "storage.PutObject")                                           \
	X(EVENT_STORAGE_GET_OBJECT, "storage.GetObject")                                           \
	X(EVENT_STORAGE_HEAD_OBJECT, "storage.HeadObject")                                         \
	X(EVENT_STORAGE_COPY_OBJECT, "storage.CopyObject")                                         \
	X(EVENT_STORAGE_DELETE_OBJECT, "storage.DeleteObject")                                     \
	X(EVENT_STORAGE_DELETE_OBJECTS, "storage.DeleteObjects")                                   \
	X(EVENT_STORAGE_LIST_OBJECTS, "storage.ListObjects")                                       \
	X(EVENT_STORAGE_OVERWRITE_DISPLACED, "storage.overwrite_displaced")                        \
	X(EVENT_STORAGE_ORPHAN_ENQUEUE_FAILED, "storage.OrphanEnqueueFailed")                      \
	X(EVENT_CLEANUP_PROCESSED, "cleanup_queue.processed")                                      \
	X(EVENT_CLEANUP_ALREADY_ABSENT, "cleanup_queue.already_absent")                            \
	X(EVENT_CLEANUP_CLAIM_RECOVERED, "cleanup_queue.claim_recovered")                          \
	X(EVENT_CLEANUP_EXHAUSTED, "cleanup_queue.exhausted_to_dlq")                               \
	X(EVENT_REAPER_DROPPED, "pending_reaper.dropped")                                          \
	X(EVENT_REPLICATION_START, "replication.start")                                            \
	X(EVENT_REPLICATION_COPY, "replication.copy")                                              \
	X(EVENT_REPLICATION_COMPLETE, "replication.complete")                                      \
	X(EVENT_OVER_REPLICATION_START, "over_replication.start")                                  \
	X(EVENT_OVER_REPLICATION_REMOVE, "over_replication.remove")                                \
	X(EVENT_OVER_REPLICATION_COMPLETE, "over_replication.complete")                            \
	X(EVENT_REBALANCE_START, "rebalance.start")                                                \
	X(EVENT_REBALANCE_MOVE, "rebalance.move")                                                  \
	X(EVENT_REBALANCE_COMPLETE, "rebalance.complete")                                          \
	X(EVENT_STORAGE_MULTIPART_CLEANUP, "storage.MultipartCleanup")                             \
	X(EVENT_STORAGE_DRAIN_START, "storage.DrainStart")                                         \
	X(EVENT_STORAGE_DRAIN_CANCEL, "storage.DrainCancel")                                       \
	X(EVENT_STORAGE_DRAIN_MOVE, "storage.DrainMove")                                           \
	X(EVENT_STORAGE_DRAIN_REMOVE_REPLICA, "storage.DrainRemoveReplica")                        \
	X(EVENT_STORAGE_RECONCILE_COMPLETE, "storage.ReconcileComplete")                           \
	X(EVENT_STORAGE_REMOVE_BACKEND, "storage.RemoveBackend")                                   \
	X(EVENT_STORAGE_DRAIN_COMPLETE, "storage.DrainComplete")                                   \
	X(EVENT_LIFECYCLE_DELETE, "lifecycle.delete")                                              \
	X(EVENT_LIFECYCLE_ABORT_UPLOAD, "lifecycle.abort_upload")                                  \
	X(EVENT_ADMIN_REQUEST, "admin.Request")                                                    \
	X(EVENT_ADMIN_AUTH_FAILURE, "admin.AuthFailure")                                           \
	X(EVENT_CONFIG_RELOADED, "config.Reloaded")                                                \
	X(EVENT_CONFIG_RELOAD_FAILED, "config.ReloadFailed")                                       \
	X(EVENT_OTHER, "other")

/* Closed sets: X(set, list). Three more depend on the configuration: BACKEND
 * (index of a backend), BACKEND_OR_NONE (0: the empty label, else 1 + index),
 * BREAKER (0: the database, else 1 + index). */
#define METRIC_SETS(X)                                                                             \
	X(METHOD, METRIC_METHODS)                                                                  \
	X(STATUS_CODE, METRIC_STATUS_CODES)                                                        \
	X(OPERATION, METRIC_OPERATIONS)                                                            \
	X(BACKEND_OPERATION, METRIC_BACKEND_OPERATIONS)                                            \
	X(WRITE, METRIC_WRITES)                                                                    \
	X(RESULT, METRIC_RESULTS)                                                                  \
	X(LIMIT, METRIC_LIMITS)                                                                    \
	X(VARIANT, METRIC_VARIANTS)                                                                \
	X(STREAMING_REASON, METRIC_STREAMING_REASONS)                                              \
	X(INTENT_RESULT, METRIC_INTENT_RESULTS)                                                    \
	X(INTEGRITY_OPERATION, METRIC_INTEGRITY_OPERATIONS)                                        \
	X(BREAKER_STATE, METRIC_BREAKER_STATES)                                                    \
	X(STRATEGY, METRIC_STRATEGIES)                                                             \
	X(SKIPPED, METRIC_SKIPS)                                                                   \
	X(SERVICE, METRIC_SERVICES)                                                                \
	X(LIFECYCLE_RESULT, METRIC_LIFECYCLE_RESULTS)                                              \
	X(TICK, METRIC_TICKS)                                                                      \
	X(CLEANUP_RESULT, METRIC_CLEANUP_RESULTS)                                                  \
	X(CLEANUP_STAGE, METRIC_CLEANUP_STAGES)                                                    \
	X(CLEANUP_REASON, METRIC_CLEANUP_REASONS)                                                  \
	X(RELOAD, METRIC_RELOADS)                                                                  \
	X(EVENT, METRIC_EVENTS)

#define METRIC_BACKEND_OR_NONE(i) ((i) + 1) /* i = -1: no backend */
#define METRIC_BREAKER_DATABASE   0
#define METRIC_BREAKER_BACKEND(i) ((i) + 1)

#define METRIC_VALUE_(id, text) METRIC_##id,
#define METRIC_ENUM_(set, list) enum { list(METRIC_VALUE_) METRIC_##set##_COUNT };
METRIC_SETS(METRIC_ENUM_)
#undef METRIC_ENUM_
#undef METRIC_VALUE_

/* --- families --------------------------------------------------------------
 *
 * X(enumerator, type, by, show, name, help, labels...)
 * type: COUNTER   counted per process, summed
 *       LEVEL     a gauge that is counted per process and summed; a dead
 *                 process takes its share along
 *       GAUGE     one value for all processes, whoever sets it last
 *       HTTP OP SIZE PASS  histograms with those bounds
 * by:   P proxyd, W workerd, PW both
 * show: ALWAYS every combination of label values, 0 from the start
 *       SEEN   only those that are not 0
 */
#define METRIC_FAMILIES(X)                                                                         \
	X(REQUESTS, COUNTER, P, ALWAYS, "s3o_requests_total",                                      \
	  "Finished S3 requests, including those refused by authentication and routing.",          \
	  LABEL(method, METHOD), LABEL(status_code, STATUS_CODE))                                  \
	X(REQUEST_DURATION, HTTP, P, ALWAYS, "s3o_request_duration_seconds",                       \
	  "From the arrival of a request to the last byte of its response.",                       \
	  LABEL(method, METHOD))                                                                   \
	X(REQUEST_SIZE, SIZE, P, ALWAYS, "s3o_request_size_bytes",                                 \
	  "Request bodies that are not empty.", LABEL(method, METHOD))                             \
	X(RESPONSE_SIZE, SIZE, P, ALWAYS, "s3o_response_size_bytes",                               \
	  "Response bodies that are not empty.", LABEL(method, METHOD))                            \
	X(INFLIGHT, LEVEL, P, ALWAYS, "s3o_inflight_requests", "S3 requests in progress.",         \
	  LABEL(method, METHOD))                                                                   \
	X(EARLY_REJECTIONS, COUNTER, P, ALWAYS, "s3o_early_rejections_total",                      \
	  "Uploads refused before their body because no backend has room.")                        \
	X(STREAMING_REQUESTS, COUNTER, P, ALWAYS, "s3o_auth_streaming_requests_total",             \
	  "aws-chunked uploads accepted for decoding.", LABEL(variant, VARIANT))                   \
	X(STREAMING_REJECTIONS, COUNTER, P, ALWAYS, "s3o_auth_streaming_rejections_total",         \
	  "aws-chunked uploads refused in mid-stream.", LABEL(reason, STREAMING_REASON))           \
	X(MANAGER_REQUESTS, COUNTER, P, SEEN, "s3o_manager_requests_total",                        \
	  "Logical operations, by the backend that served them.", LABEL(operation, OPERATION),     \
	  LABEL(backend, BACKEND_OR_NONE), LABEL(status, RESULT))                                  \
	X(MANAGER_DURATION, OP, P, SEEN, "s3o_manager_duration_seconds",                           \
	  "Duration of logical operations.", LABEL(operation, OPERATION),                          \
	  LABEL(backend, BACKEND_OR_NONE))                                                         \
	X(BACKEND_REQUESTS, COUNTER, PW, SEEN, "s3o_backend_requests_total", "Calls to backends.", \
	  LABEL(operation, BACKEND_OPERATION), LABEL(backend, BACKEND), LABEL(status, RESULT))     \
	X(BACKEND_DURATION, OP, PW, SEEN, "s3o_backend_duration_seconds",                          \
	  "Duration of calls to backends, to the last byte of what is read.",                      \
	  LABEL(operation, BACKEND_OPERATION), LABEL(backend, BACKEND))                            \
	X(WRITE_FAILOVER, COUNTER, PW, SEEN, "s3o_write_failover_total",                           \
	  "Writes that ended on another backend than the first one tried.",                        \
	  LABEL(operation, WRITE), LABEL(failed_backend, BACKEND),                                 \
	  LABEL(success_backend, BACKEND))                                                         \
	X(INTENTS_ENQUEUED, COUNTER, PW, ALWAYS, "s3o_pending_intents_enqueued_total",             \
	  "Intents recorded before bytes were sent to a backend.")                                 \
	X(INTENTS_RESOLVED, COUNTER, PW, ALWAYS, "s3o_pending_intents_resolved_total",             \
	  "How intents ended.", LABEL(status, INTENT_RESULT))                                      \
	X(INTENTS_DEPTH, GAUGE, W, ALWAYS, "s3o_pending_intents_depth", "Open intents.")           \
	X(ACTIVE_UPLOADS, GAUGE, W, ALWAYS, "s3o_active_multipart_uploads",                        \
	  "Open uploads in parts. Each may have parts on several backends.")                       \
	X(QUOTA_USED, GAUGE, PW, ALWAYS, "s3o_quota_bytes_used", "Bytes of committed copies.",     \
	  LABEL(backend, BACKEND))                                                                 \
	X(QUOTA_LIMIT, GAUGE, PW, ALWAYS, "s3o_quota_bytes_limit",                                 \
	  "Configured quota; 0 when unlimited.", LABEL(backend, BACKEND))                          \
	X(QUOTA_AVAILABLE, GAUGE, PW, ALWAYS, "s3o_quota_bytes_available",                         \
	  "Limit without used and orphaned bytes; 0 when unlimited.", LABEL(backend, BACKEND))     \
	X(QUOTA_ORPHAN, GAUGE, PW, ALWAYS, "s3o_quota_orphan_bytes",                               \
	  "Bytes that wait for deletion, dead letters included.", LABEL(backend, BACKEND))         \
	X(OBJECTS, GAUGE, PW, ALWAYS, "s3o_objects_count", "Copies on the backend.",               \
	  LABEL(backend, BACKEND))                                                                 \
	X(USAGE_API_REQUESTS, GAUGE, PW, ALWAYS, "s3o_usage_api_requests",                         \
	  "Requests to the backend this month (UTC), as far as they are in the database.",         \
	  LABEL(backend, BACKEND))                                                                 \
	X(USAGE_API_CALLS, GAUGE, PW, ALWAYS, "s3o_usage_api_calls",                               \
	  "The same as s3o_usage_api_requests.", LABEL(backend, BACKEND))                          \
	X(USAGE_EGRESS, GAUGE, PW, ALWAYS, "s3o_usage_egress_bytes",                               \
	  "Bytes read from the backend this month.", LABEL(backend, BACKEND))                      \
	X(USAGE_INGRESS, GAUGE, PW, ALWAYS, "s3o_usage_ingress_bytes",                             \
	  "Bytes sent to the backend this month.", LABEL(backend, BACKEND))                        \
	X(USAGE_REJECTIONS, COUNTER, P, SEEN, "s3o_usage_limit_rejections_total",                  \
	  "Operations refused because of monthly limits.", LABEL(operation, OPERATION),            \
	  LABEL(limit_type, LIMIT))                                                                \
	X(BREAKER_STATE, GAUGE, PW, ALWAYS, "s3o_circuit_breaker_state",                           \
	  "0 closed, 1 open, 2 half-open.", LABEL(name, BREAKER))                                  \
	X(BREAKER_TRANSITIONS, COUNTER, PW, SEEN, "s3o_circuit_breaker_transitions_total",         \
	  "Changes of state of circuit breakers.", LABEL(name, BREAKER),                           \
	  LABEL(from, BREAKER_STATE), LABEL(to, BREAKER_STATE))                                    \
	X(WORKER_TICKS, COUNTER, W, ALWAYS, "s3o_worker_ticks_total",                              \
	  "Passes of background services; skipped: another daemon holds the lock.",                \
	  LABEL(service, SERVICE), LABEL(result, TICK))                                            \
	X(WORKER_LAST_SUCCESS, GAUGE, W, SEEN, "s3o_worker_last_success_timestamp_seconds",        \
	  "Unix time of the last successful pass.", LABEL(service, SERVICE))                       \
	X(WORKER_FAILURES, GAUGE, W, ALWAYS, "s3o_worker_consecutive_failures",                    \
	  "Failed passes since the last successful one.", LABEL(service, SERVICE))                 \
	X(CLEANUP_ENQUEUED, COUNTER, PW, ALWAYS, "s3o_cleanup_queue_enqueued_total",               \
	  "Copies handed to the cleanup queue.", LABEL(reason, CLEANUP_REASON))                    \
	X(CLEANUP_PROCESSED, COUNTER, W, ALWAYS, "s3o_cleanup_queue_processed_total",              \
	  "Attempts of the cleanup queue.", LABEL(status, CLEANUP_RESULT))                         \
	X(CLEANUP_DEPTH, GAUGE, W, ALWAYS, "s3o_cleanup_queue_depth",                              \
	  "Rows of the cleanup queue with attempts left.")                                         \
	X(CLEANUP_PAUSED, GAUGE, W, ALWAYS, "s3o_cleanup_paused",                                  \
	  "1 while safety.max_deletes_per_minute holds deletions up.")                             \
	X(CLEANUP_STALE_CLAIMS, COUNTER, W, SEEN,                                                  \
	  "s3o_cleanup_queue_stale_claims_recovered_total",                                        \
	  "Rows taken over from a worker that died.", LABEL(backend, BACKEND))                     \
	X(CLEANUP_ENQUEUE_FAILURES, COUNTER, PW, SEEN, "s3o_cleanup_enqueue_failures_total",       \
	  "Copies that could not be handed to the cleanup queue and are left to the reaper.",      \
	  LABEL(backend, BACKEND_OR_NONE), LABEL(reason, CLEANUP_REASON),                          \
	  LABEL(stage, CLEANUP_STAGE))                                                             \
	X(CLEANUP_DLQ_DEPTH, GAUGE, W, ALWAYS, "s3o_cleanup_dlq_depth", "Dead-lettered rows.")     \
	X(CLEANUP_DLQ_ENQUEUED, COUNTER, W, SEEN, "s3o_cleanup_dlq_enqueued_total",                \
	  "Rows given up after the last attempt.", LABEL(backend, BACKEND))                        \
	X(REPLICATION_PENDING, GAUGE, W, ALWAYS, "s3o_replication_pending",                        \
	  "Segments with fewer copies than wanted, not counted beyond 10000.")                     \
	X(REPLICATION_COPIES, COUNTER, W, ALWAYS, "s3o_replication_copies_created_total",          \
	  "Copies that were made.")                                                                \
	X(REPLICATION_HEALTH_COPIES, COUNTER, W, ALWAYS, "s3o_replication_health_copies_total",    \
	  "Those that were made while copies on a failing backend did not count.")                 \
	X(REPLICATION_ERRORS, COUNTER, W, ALWAYS, "s3o_replication_errors_total",                  \
	  "Copies that could not be made.")                                                        \
	X(REPLICATION_RUNS, COUNTER, W, ALWAYS, "s3o_replication_runs_total",                      \
	  "Passes that had something to do.", LABEL(status, RESULT))                               \
	X(REPLICATION_DURATION, PASS, W, ALWAYS, "s3o_replication_duration_seconds",               \
	  "Duration of these passes.")                                                             \
	X(OVER_REPLICATION_PENDING, GAUGE, W, ALWAYS, "s3o_over_replication_pending",              \
	  "Segments with more copies than wanted, as of the last walk.")                           \
	X(OVER_REPLICATION_REMOVED, COUNTER, W, ALWAYS, "s3o_over_replication_removed_total",      \
	  "Copies that were removed.")                                                             \
	X(OVER_REPLICATION_ERRORS, COUNTER, W, ALWAYS, "s3o_over_replication_errors_total",        \
	  "Copies that could not be removed.")                                                     \
	X(OVER_REPLICATION_RUNS, COUNTER, W, ALWAYS, "s3o_over_replication_runs_total",            \
	  "Passes that had something to do.", LABEL(status, RESULT))                               \
	X(OVER_REPLICATION_DURATION, PASS, W, ALWAYS, "s3o_over_replication_duration_seconds",     \
	  "Duration of these passes.")                                                             \
	X(REBALANCE_MOVED, COUNTER, W, ALWAYS, "s3o_rebalance_objects_moved_total",                \
	  "Copies that were moved, or could not be.", LABEL(strategy, STRATEGY),                   \
	  LABEL(status, RESULT))                                                                   \
	X(REBALANCE_BYTES, COUNTER, W, ALWAYS, "s3o_rebalance_bytes_moved_total",                  \
	  "Bytes of those that were moved.", LABEL(strategy, STRATEGY))                            \
	X(REBALANCE_RUNS, COUNTER, W, ALWAYS, "s3o_rebalance_runs_total",                          \
	  "Passes that had something to move.", LABEL(strategy, STRATEGY), LABEL(status, RESULT))  \
	X(REBALANCE_DURATION, PASS, W, ALWAYS, "s3o_rebalance_duration_seconds",                   \
	  "Duration of these passes.", LABEL(strategy, STRATEGY))                                  \
	X(REBALANCE_SKIPPED, COUNTER, W, ALWAYS, "s3o_rebalance_skipped_total",                    \
	  "Passes without: backends are alike, or nothing fits.", LABEL(reason, SKIPPED))          \
	X(REBALANCE_PENDING, GAUGE, W, ALWAYS, "s3o_rebalance_pending",                            \
	  "Copies that are planned to be moved and are not yet.")                                  \
	X(DRAIN_ACTIVE, GAUGE, W, ALWAYS, "s3o_drain_active", "Backends that are being emptied.")  \
	X(DRAIN_OBJECTS, COUNTER, W, ALWAYS, "s3o_drain_objects_moved_total",                      \
	  "Copies that left a draining backend.")                                                  \
	X(DRAIN_BYTES, COUNTER, W, ALWAYS, "s3o_drain_bytes_moved_total", "Their bytes.")          \
	X(DRAIN_RACE_ABORTED, COUNTER, PW, ALWAYS, "s3o_drain_race_aborted_total",                 \
	  "Writes that were sent to a backend when its drain began.")                              \
	X(LIFECYCLE_DELETED, COUNTER, W, ALWAYS, "s3o_lifecycle_deleted_total",                    \
	  "Versions and uploads removed by lifecycle rules.")                                      \
	X(LIFECYCLE_FAILED, COUNTER, W, ALWAYS, "s3o_lifecycle_failed_total",                      \
	  "Versions that a lifecycle rule could not remove.")                                      \
	X(LIFECYCLE_RUNS, COUNTER, W, ALWAYS, "s3o_lifecycle_runs_total",                          \
	  "Walks through all buckets with lifecycle rules.", LABEL(status, LIFECYCLE_RESULT))      \
	X(INTEGRITY_ERRORS, COUNTER, PW, ALWAYS, "s3o_integrity_errors_total",                     \
	  "Objects whose bytes are not what the catalogue says.",                                  \
	  LABEL(operation, INTEGRITY_OPERATION))                                                   \
	X(AUDIT_EVENTS, COUNTER, PW, SEEN, "s3o_audit_events_total", "Audit lines written.",       \
	  LABEL(event, EVENT))                                                                     \
	X(CONFIG_RELOADS, COUNTER, PW, ALWAYS, "s3o_config_reloads_total",                         \
	  "Reloads of the configuration.", LABEL(result, RELOAD))                                  \
	X(CHILD_RESTARTS, COUNTER, P, ALWAYS, "s3o_child_restarts_total",                          \
	  "Children replaced by the supervisor.")

#define METRIC_ENUM_(id, ...) METRIC_##id,
enum metric { METRIC_FAMILIES(METRIC_ENUM_) METRIC_COUNT };
#undef METRIC_ENUM_

#endif
