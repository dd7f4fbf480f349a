#include <sqlite3.h>

/// Swift cannot call a variadic function. Before SQLite is used, or it answers SQLITE_MISUSE and nothing changes.
static inline int tidegate_sqlite3_count_no_memory(void) { return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }
