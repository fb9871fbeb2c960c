"""The embedded demo model: fetching it (`install`), running it (`process`, `child`), giving it tools (`tools`)."""
