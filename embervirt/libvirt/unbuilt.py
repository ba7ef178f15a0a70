"""Calls of libvirt 9 that nothing here serves yet: they raise NotSupported, never AttributeError."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from embervirt.errors import NotSupported

CONNECT = frozenset(
    """
    allocPages baselineCPU baselineHypervisorCPU c_pointer changeBegin changeCommit changeRollback
    compareCPU compareHypervisorCPU createXMLWithFiles domainEventDeregister domainListGetStats
    domainXMLFromNative domainXMLToNative findStoragePoolSources getAllDomainStats getCPUMap
    getCPUModelNames getCPUStats getCapabilities getCellsFreeMemory getDomainCapabilities getFreeMemory
    getFreePages getInfo getMaxVcpus getMemoryParameters getMemoryStats getSEVInfo getSecurityModel
    getStoragePoolCapabilities getSysinfo interfaceDefineXML interfaceLookupByMACString
    interfaceLookupByName listAllDevices listAllInterfaces listAllNWFilterBindings listAllNWFilters
    listAllNetworks listAllStoragePools listDefinedInterfaces listDefinedNetworks
    listDefinedStoragePools listDevices listInterfaces listNWFilters listNetworks listStoragePools
    networkCreateXML networkCreateXMLFlags networkDefineXML networkDefineXMLFlags
    networkEventDeregisterAny networkEventRegisterAny networkLookupByName networkLookupByUUID
    networkLookupByUUIDString newStream nodeDeviceCreateXML nodeDeviceDefineXML
    nodeDeviceEventDeregisterAny nodeDeviceEventRegisterAny nodeDeviceLookupByName
    nodeDeviceLookupSCSIHostByWWN numOfDefinedInterfaces numOfDefinedNetworks numOfDefinedStoragePools
    numOfDevices numOfInterfaces numOfNWFilters numOfNetworks numOfStoragePools nwfilterBindingCreateXML
    nwfilterBindingLookupByPortDev nwfilterDefineXML nwfilterDefineXMLFlags nwfilterLookupByName
    nwfilterLookupByUUID nwfilterLookupByUUIDString registerCloseCallback restore restoreFlags
    restoreParams saveImageDefineXML saveImageGetXMLDesc setIdentity setKeepAlive setMemoryParameters
    storagePoolCreateXML storagePoolDefineXML storagePoolEventDeregisterAny storagePoolEventRegisterAny
    storagePoolLookupByName storagePoolLookupByTargetPath storagePoolLookupByUUID
    storagePoolLookupByUUIDString storageVolLookupByKey storageVolLookupByPath suspendForDuration
    unregisterCloseCallback virConnGetLastError virConnResetLastError
    """.split()
)

DOMAIN = frozenset(
    """
    FDAssociate abortJob abortJobFlags addIOThread agentSetResponseTimeout attachDevice
    attachDeviceFlags authorizedSSHKeysGet authorizedSSHKeysSet autostart backupBegin backupGetXMLDesc
    blkioParameters blockCommit blockCopy blockInfo blockIoTune blockJobAbort blockJobInfo
    blockJobSetSpeed blockPeek blockPull blockRebase blockResize blockStats blockStatsFlags c_pointer
    checkpointCreateXML checkpointLookupByName coreDump coreDumpWithFormat createWithFiles
    delIOThread detachDevice detachDeviceAlias detachDeviceFlags diskErrors emulatorPinInfo fSTrim
    fsFreeze fsInfo fsThaw getCPUStats getTime guestInfo guestVcpus hasCurrentSnapshot
    hasManagedSaveImage hostname injectNMI interfaceAddresses interfaceParameters interfaceStats
    ioThreadInfo jobInfo jobStats launchSecurityInfo listAllCheckpoints listAllSnapshots managedSave
    managedSaveDefineXML managedSaveGetXMLDesc managedSaveRemove memoryParameters memoryPeek memoryStats
    metadata migrate migrate2 migrate3 migrateGetCompressionCache migrateGetMaxDowntime
    migrateGetMaxSpeed migrateSetCompressionCache migrateSetMaxDowntime migrateSetMaxSpeed
    migrateStartPostCopy migrateToURI migrateToURI2 migrateToURI3 numaParameters openChannel openConsole
    openGraphics openGraphicsFD pMSuspendForDuration pMWakeup perfEvents pinEmulator pinIOThread pinVcpu
    pinVcpuFlags reboot rename reset revertToSnapshot save saveFlags saveParams schedulerParameters
    schedulerParametersFlags schedulerType screenshot securityLabel securityLabelList sendKey
    sendProcessSignal setAutostart setBlkioParameters setBlockIoTune setBlockThreshold setGuestVcpus
    setIOThreadParams setInterfaceParameters setLaunchSecurityState setLifecycleAction setMaxMemory
    setMemory setMemoryFlags setMemoryParameters setMemoryStatsPeriod setMetadata setNumaParameters
    setPerfEvents setSchedulerParameters setSchedulerParametersFlags setTime setUserPassword setVcpu
    setVcpus setVcpusFlags snapshotCreateXML snapshotCurrent snapshotListNames snapshotLookupByName
    snapshotNum startDirtyRateCalc updateDeviceFlags vcpuPinInfo vcpus vcpusFlags
    """.split()
)

SECRET = frozenset(
    """
    c_pointer
    """.split()
)


def unbuilt(name: str, known: frozenset[str], owner: object) -> Callable[..., NoReturn]:
    """For ``__getattr__``: a call that raises NotSupported, AttributeError for what libvirt has not."""
    if name not in known:
        raise AttributeError(f"{type(owner).__name__!r} object has no attribute {name!r}")

    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise NotSupported(f"{type(owner).__name__}.{name} is not built yet")

    return refuse
