"""The host and the connection: credentials, CPUs, memory, node statistics, streams, event handles."""

from typing import Final as _Final

# virCPUCompareResult
VIR_CPU_COMPARE_ERROR: _Final = -1
VIR_CPU_COMPARE_INCOMPATIBLE: _Final = 0
VIR_CPU_COMPARE_IDENTICAL: _Final = 1
VIR_CPU_COMPARE_SUPERSET: _Final = 2

# virConnectBaselineCPUFlags
VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES: _Final = 1
VIR_CONNECT_BASELINE_CPU_MIGRATABLE: _Final = 2

# virConnectCloseReason
VIR_CONNECT_CLOSE_REASON_ERROR: _Final = 0
VIR_CONNECT_CLOSE_REASON_EOF: _Final = 1
VIR_CONNECT_CLOSE_REASON_KEEPALIVE: _Final = 2
VIR_CONNECT_CLOSE_REASON_CLIENT: _Final = 3

# virConnectCompareCPUFlags
VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE: _Final = 1
VIR_CONNECT_COMPARE_CPU_VALIDATE_XML: _Final = 2

# virConnectCredentialType
VIR_CRED_USERNAME: _Final = 1
VIR_CRED_AUTHNAME: _Final = 2
VIR_CRED_LANGUAGE: _Final = 3
VIR_CRED_CNONCE: _Final = 4
VIR_CRED_PASSPHRASE: _Final = 5
VIR_CRED_ECHOPROMPT: _Final = 6
VIR_CRED_NOECHOPROMPT: _Final = 7
VIR_CRED_REALM: _Final = 8
VIR_CRED_EXTERNAL: _Final = 9

# virConnectFlags
VIR_CONNECT_RO: _Final = 1
VIR_CONNECT_NO_ALIASES: _Final = 2

# virEventHandleType
VIR_EVENT_HANDLE_READABLE: _Final = 1
VIR_EVENT_HANDLE_WRITABLE: _Final = 2
VIR_EVENT_HANDLE_ERROR: _Final = 4
VIR_EVENT_HANDLE_HANGUP: _Final = 8

# virNodeAllocPagesFlags
VIR_NODE_ALLOC_PAGES_ADD: _Final = 0
VIR_NODE_ALLOC_PAGES_SET: _Final = 1

# virNodeGetCPUStatsAllCPUs
VIR_NODE_CPU_STATS_ALL_CPUS: _Final = -1

# virNodeGetMemoryStatsAllCells
VIR_NODE_MEMORY_STATS_ALL_CELLS: _Final = -1

# virNodeSuspendTarget
VIR_NODE_SUSPEND_TARGET_MEM: _Final = 0
VIR_NODE_SUSPEND_TARGET_DISK: _Final = 1
VIR_NODE_SUSPEND_TARGET_HYBRID: _Final = 2

# virStreamEventType
VIR_STREAM_EVENT_READABLE: _Final = 1
VIR_STREAM_EVENT_WRITABLE: _Final = 2
VIR_STREAM_EVENT_ERROR: _Final = 4
VIR_STREAM_EVENT_HANGUP: _Final = 8

# virStreamFlags
VIR_STREAM_NONBLOCK: _Final = 1

# virStreamRecvFlagsValues
VIR_STREAM_RECV_STOP_AT_HOLE: _Final = 1

# virTypedParameterFlags
VIR_TYPED_PARAM_STRING_OKAY: _Final = 4

# virTypedParameterType
VIR_TYPED_PARAM_INT: _Final = 1
VIR_TYPED_PARAM_UINT: _Final = 2
VIR_TYPED_PARAM_LLONG: _Final = 3
VIR_TYPED_PARAM_ULLONG: _Final = 4
VIR_TYPED_PARAM_DOUBLE: _Final = 5
VIR_TYPED_PARAM_BOOLEAN: _Final = 6
VIR_TYPED_PARAM_STRING: _Final = 7

VIR_CONNECT_IDENTITY_GROUP_NAME: _Final = "group-name"
VIR_CONNECT_IDENTITY_PROCESS_ID: _Final = "process-id"
VIR_CONNECT_IDENTITY_PROCESS_TIME: _Final = "process-time"
VIR_CONNECT_IDENTITY_SASL_USER_NAME: _Final = "sasl-user-name"
VIR_CONNECT_IDENTITY_SELINUX_CONTEXT: _Final = "selinux-context"
VIR_CONNECT_IDENTITY_UNIX_GROUP_ID: _Final = "unix-group-id"
VIR_CONNECT_IDENTITY_UNIX_USER_ID: _Final = "unix-user-id"
VIR_CONNECT_IDENTITY_USER_NAME: _Final = "user-name"
VIR_CONNECT_IDENTITY_X509_DISTINGUISHED_NAME: _Final = "x509-distinguished-name"
VIR_NODE_CPU_STATS_IDLE: _Final = "idle"
VIR_NODE_CPU_STATS_INTR: _Final = "intr"
VIR_NODE_CPU_STATS_IOWAIT: _Final = "iowait"
VIR_NODE_CPU_STATS_KERNEL: _Final = "kernel"
VIR_NODE_CPU_STATS_USER: _Final = "user"
VIR_NODE_CPU_STATS_UTILIZATION: _Final = "utilization"
VIR_NODE_MEMORY_SHARED_FULL_SCANS: _Final = "shm_full_scans"
VIR_NODE_MEMORY_SHARED_MERGE_ACROSS_NODES: _Final = "shm_merge_across_nodes"
VIR_NODE_MEMORY_SHARED_PAGES_SHARED: _Final = "shm_pages_shared"
VIR_NODE_MEMORY_SHARED_PAGES_SHARING: _Final = "shm_pages_sharing"
VIR_NODE_MEMORY_SHARED_PAGES_TO_SCAN: _Final = "shm_pages_to_scan"
VIR_NODE_MEMORY_SHARED_PAGES_UNSHARED: _Final = "shm_pages_unshared"
VIR_NODE_MEMORY_SHARED_PAGES_VOLATILE: _Final = "shm_pages_volatile"
VIR_NODE_MEMORY_SHARED_SLEEP_MILLISECS: _Final = "shm_sleep_millisecs"
VIR_NODE_MEMORY_STATS_BUFFERS: _Final = "buffers"
VIR_NODE_MEMORY_STATS_CACHED: _Final = "cached"
VIR_NODE_MEMORY_STATS_FREE: _Final = "free"
VIR_NODE_MEMORY_STATS_TOTAL: _Final = "total"
VIR_NODE_SEV_CBITPOS: _Final = "cbitpos"
VIR_NODE_SEV_CERT_CHAIN: _Final = "cert-chain"
VIR_NODE_SEV_CPU0_ID: _Final = "cpu0-id"
VIR_NODE_SEV_MAX_ES_GUESTS: _Final = "max-es-guests"
VIR_NODE_SEV_MAX_GUESTS: _Final = "max-guests"
VIR_NODE_SEV_PDH: _Final = "pdh"
VIR_NODE_SEV_REDUCED_PHYS_BITS: _Final = "reduced-phys-bits"
