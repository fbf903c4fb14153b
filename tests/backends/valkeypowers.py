"""Powers that backends of cache servers share: what each of them claims beside its own."""

from perftui.model.ports import (
    ClientKiller,
    ClientLister,
    CommandSampler,
    ConfigReader,
    DictionaryKeeper,
    EarlyKeeper,
    KeyDumper,
    KeyEditor,
    KeyPurger,
    KeyspaceReader,
    LoadSharer,
    LocalKeeper,
    MemoryKeeper,
    NodeReader,
    OrderGiver,
    PurgeQueue,
    ServerTuner,
    TagKeeper,
    TtlKeeper,
    WarmQueue,
)

LIBRARY = (
    CommandSampler,
    DictionaryKeeper,
    EarlyKeeper,
    LoadSharer,
    LocalKeeper,
    NodeReader,
    OrderGiver,
    PurgeQueue,
    TtlKeeper,
    WarmQueue,
)
"""Where nodes of the cache library publish, and obey."""

KEYS = (KeyDumper, KeyEditor, KeyPurger, KeyspaceReader, TagKeeper)
"""Where keys are looked into and purged."""

SERVERS = (ClientKiller, ClientLister, ConfigReader, MemoryKeeper, ServerTuner)
"""What every server is asked by itself."""
