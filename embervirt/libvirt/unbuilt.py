"""Calls of libvirt 9 that nothing here serves yet: they raise NotSupported, never AttributeError."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from embervirt.errors import NotSupported
from embervirt.libvirt.reporting import told

CONNECT = frozenset(
    """
    allocPages baselineCPU baselineHypervisorCPU c_pointer changeBegin changeCommit changeRollback
    compareCPU compareHypervisorCPU createXMLWithFiles
    domainXMLFromNative getMemoryParameters getSEVInfo
    interfaceDefineXML interfaceLookupByMACString
    interfaceLookupByName listAllDevices listAllInterfaces listAllNWFilterBindings
    listDefinedInterfaces listDevices listInterfaces nodeDeviceCreateXML nodeDeviceDefineXML
    nodeDeviceEventDeregisterAny nodeDeviceEventRegisterAny nodeDeviceLookupByName
    nodeDeviceLookupSCSIHostByWWN numOfDefinedInterfaces
    numOfDevices numOfInterfaces nwfilterBindingCreateXML
    nwfilterBindingLookupByPortDev
    restore restoreFlags
    restoreParams saveImageDefineXML saveImageGetXMLDesc setIdentity setMemoryParameters
    suspendForDuration
    """.split()
)

DOMAIN = frozenset(
    """
    FDAssociate abortJobFlags addIOThread
    authorizedSSHKeysGet authorizedSSHKeysSet backupBegin blkioParameters blockCommit blockCopy
    blockIoTune blockJobAbort blockJobInfo blockJobSetSpeed blockPeek blockPull blockRebase
    c_pointer checkpointCreateXML coreDump coreDumpWithFormat createWithFiles
    delIOThread diskErrors
    fsInfo getCPUStats guestInfo guestVcpus
    ioThreadInfo launchSecurityInfo managedSave managedSaveDefineXML memoryPeek
    migrate migrate2 migrate3 migrateGetCompressionCache migrateGetMaxDowntime migrateGetMaxSpeed
    migrateSetCompressionCache migrateSetMaxDowntime migrateSetMaxSpeed migrateStartPostCopy
    migrateToURI migrateToURI2 migrateToURI3 openGraphics
    openGraphicsFD perfEvents pinEmulator pinIOThread pinVcpu
    pinVcpuFlags revertToSnapshot save saveFlags saveParams schedulerParameters
    schedulerParametersFlags schedulerType securityLabel securityLabelList
    setBlkioParameters setBlockIoTune setGuestVcpus
    setIOThreadParams setLaunchSecurityState setLifecycleAction
    setMemoryParameters setNumaParameters setPerfEvents setSchedulerParameters
    setSchedulerParametersFlags setVcpu snapshotCreateXML startDirtyRateCalc
    """.split()
)

SECRET = frozenset(
    """
    c_pointer
    """.split()
)

POOL = SECRET
VOLUME = SECRET
NETWORK = SECRET
PORT = SECRET


def unbuilt(name: str, known: frozenset[str], owner: object) -> Callable[..., NoReturn]:
    """For ``__getattr__``: a call that raises NotSupported, AttributeError for what libvirt has not."""
    if name not in known:
        raise AttributeError(f"{type(owner).__name__!r} object has no attribute {name!r}")

    @told
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise NotSupported(f"{type(owner).__name__}.{name} is not built yet")

    return refuse
