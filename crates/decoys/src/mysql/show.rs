//! SHOW, DESCRIBE and the tables about tables.

use model::Micros;

use super::{
    dialogue::password_hash,
    engine::Engine,
    expr::like,
    message::{Cell, Col, Outcome, kind},
    scene::{Column, Table, stamp},
    sql::{self, Parser, Token},
};

fn cell(text: impl Into<Vec<u8>>) -> Cell {
    Some(text.into())
}

/// A column of a schema table, in the few words that tell them apart.
fn schema(table: &str, spec: &str) -> Col {
    let mut parts = spec.split(' ');
    let (name, org) = (parts.next().unwrap_or_default().to_owned(), parts.next().unwrap_or_default());
    let len = parts.next().and_then(|l| l.parse().ok()).unwrap_or(64);
    let flags = parts.next().and_then(|f| u16::from_str_radix(f, 16).ok()).unwrap_or(0x1001);
    let mut col = Col::schema(table, &name, org, len, 0);
    col.flags = flags;
    match parts.next() {
        Some("n") => (col.text, col.kind) = (false, kind::LONGLONG),
        Some("i") => (col.text, col.kind) = (false, kind::LONG),
        Some("d") => (col.text, col.kind) = (false, kind::DATETIME),
        Some("b") => col.kind = kind::BLOB,
        _ => {}
    }
    col
}

fn schemas(table: &str, specs: &[&str]) -> Vec<Col> {
    specs.iter().map(|s| schema(table, s)).collect()
}

fn listing(cols: Vec<Col>, rows: Vec<Vec<Cell>>) -> Outcome {
    Outcome::Rows { cols, rows, flags: 0x20 }
}

impl Engine {
    /// A system variable's value as SHOW tells it.
    pub(super) fn system_variable(&self, name: &str) -> Option<String> {
        let persona = &self.visit.persona;
        Some(match name {
            "version" => self.version.clone(),
            "innodb_version" => self.version.split('-').next().unwrap_or_default().to_owned(),
            "hostname" | "wsrep_node_name" => persona.hostname.clone(),
            "port" => "3306".into(),
            "socket" => "/run/mysqld/mysqld.sock".into(),
            "pid_file" => "/run/mysqld/mysqld.pid".into(),
            "datadir" | "aria_log_dir_path" | "wsrep_data_home_dir" => "/var/lib/mysql/".into(),
            "log_error" => String::new(),
            "general_log_file" => format!("{}.log", persona.hostname),
            "slow_query_log_file" | "log_slow_query_file" => format!("{}-slow.log", persona.hostname),
            "pseudo_thread_id" => self.id.to_string(),
            "timestamp" => format!("{}.{:06}", self.now.seconds(), self.now.0.rem_euclid(1_000_000)),
            "server_uid" => {
                use base64::{Engine as _, engine::general_purpose::STANDARD};
                STANDARD.encode(self.visit.derive("mysql/server_uid").get(..20).unwrap_or_default())
            }
            other => include_str!("variables.txt")
                .lines()
                .find_map(|l| l.split_once('\t').filter(|(k, _)| *k == other).map(|(_, v)| v.to_owned()))?,
        })
    }

    fn variables(&self) -> Vec<(String, String)> {
        let own = [
            "version",
            "innodb_version",
            "hostname",
            "wsrep_node_name",
            "port",
            "socket",
            "pid_file",
            "datadir",
            "aria_log_dir_path",
            "wsrep_data_home_dir",
            "log_error",
            "general_log_file",
            "slow_query_log_file",
            "log_slow_query_file",
            "pseudo_thread_id",
            "timestamp",
            "server_uid",
        ];
        let mut names: Vec<&str> =
            include_str!("variables.txt").lines().filter_map(|l| l.split_once('\t').map(|(k, _)| k)).chain(own).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|n| (n.to_owned(), self.system_variable(n).unwrap_or_default())).collect()
    }

    /// Seconds since the server started.
    pub(super) fn uptime(&self) -> u64 {
        self.now.since(self.visit.persona.booted).as_secs().saturating_sub(9)
    }

    fn statuses(&self) -> Vec<(String, String)> {
        let up = self.uptime();
        let mut list: Vec<(String, String)> =
            include_str!("status.txt").lines().filter_map(|l| l.split_once('\t')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        for (k, v) in [
            ("Uptime", up),
            ("Uptime_since_flush_status", up),
            ("Threads_connected", 2),
            ("Threads_running", 1),
            ("Questions", up / 3 + self.questions),
            ("Queries", up / 3 + self.questions),
            ("Connections", u64::from(self.id)),
        ] {
            list.retain(|(n, _)| n != k);
            list.push((k.to_owned(), v.to_string()));
        }
        list.sort();
        list
    }

    /// Columns and rows of a table that the server makes up.
    pub(super) fn system_table(&self, db: &str, table: &str) -> Option<(Vec<Column>, Vec<Vec<Cell>>)> {
        let columns = |names: &str| -> Vec<Column> {
            names
                .split(' ')
                .map(|n| {
                    let (name, of) = n.split_once(':').unwrap_or((n, "varchar(64)"));
                    Column { name: name.to_owned(), of: of.to_owned(), nullable: false, ..Column::default() }
                })
                .collect()
        };
        let each = |f: &mut dyn FnMut(&str, &str, &Table)| {
            for (db, tables) in &self.data {
                for (name, table) in tables {
                    f(db, name, table);
                }
            }
        };
        match (db.to_ascii_lowercase().as_str(), table.to_ascii_lowercase().as_str()) {
            ("information_schema", "schemata") => {
                let rows = self
                    .databases()
                    .into_iter()
                    .map(|d| vec![cell("def"), cell(d), cell("utf8mb4"), cell("utf8mb4_general_ci"), None, cell("")])
                    .collect();
                Some((columns("catalog_name schema_name default_character_set_name default_collation_name sql_path schema_comment"), rows))
            }
            ("information_schema", "tables") => {
                let mut rows = Vec::new();
                each(&mut |db, name, t| {
                    rows.push(vec![
                        cell("def"),
                        cell(db),
                        cell(name),
                        cell("BASE TABLE"),
                        cell("InnoDB"),
                        cell("10"),
                        cell(t.rows.len().to_string()),
                        cell("16384"),
                        cell(stamp(Micros(t.created))),
                        cell("utf8mb4_general_ci"),
                        cell(""),
                    ]);
                });
                for name in [
                    "ALL_PLUGINS",
                    "CHARACTER_SETS",
                    "COLLATIONS",
                    "COLUMNS",
                    "ENGINES",
                    "PLUGINS",
                    "PROCESSLIST",
                    "SCHEMATA",
                    "TABLES",
                    "USER_PRIVILEGES",
                ] {
                    rows.push(vec![
                        cell("def"),
                        cell("information_schema"),
                        cell(name),
                        cell("SYSTEM VIEW"),
                        cell("MEMORY"),
                        cell("11"),
                        None,
                        cell("0"),
                        None,
                        cell("utf8mb3_general_ci"),
                        cell(""),
                    ]);
                }
                Some((
                    columns(
                        "table_catalog table_schema table_name table_type engine version:bigint(21) table_rows:bigint(21) data_length:bigint(21) create_time:datetime table_collation table_comment",
                    ),
                    rows,
                ))
            }
            ("information_schema", "columns") => {
                let mut rows = Vec::new();
                each(&mut |db, name, t| {
                    for (i, c) in t.columns.iter().enumerate() {
                        let base = c.of.split('(').next().unwrap_or_default();
                        rows.push(vec![
                            cell("def"),
                            cell(db),
                            cell(name),
                            cell(c.name.clone()),
                            cell((i + 1).to_string()),
                            c.default.clone().map(String::into_bytes),
                            cell(if c.nullable { "YES" } else { "NO" }),
                            cell(base),
                            cell(c.of.clone()),
                            cell(key(c)),
                            cell(if c.auto { "auto_increment" } else { "" }),
                        ]);
                    }
                });
                Some((
                    columns(
                        "table_catalog table_schema table_name column_name ordinal_position:bigint(21) column_default is_nullable data_type column_type column_key extra",
                    ),
                    rows,
                ))
            }
            ("information_schema", "processlist") => Some((
                columns("id:bigint(4) user host db command time:int(7) state info"),
                vec![vec![
                    cell(self.id.to_string()),
                    cell(self.user.clone()),
                    cell(self.visit.peer.to_string()),
                    self.db.clone().map(String::into_bytes),
                    cell("Query"),
                    cell("0"),
                    cell("Filling schema table"),
                    None,
                ]],
            )),
            ("information_schema", "user_privileges") => Some((
                columns("grantee table_catalog privilege_type is_grantable"),
                vec![vec![
                    cell(format!("'{}'@'%'", self.user)),
                    cell("def"),
                    cell(if self.root { "SUPER" } else { "USAGE" }),
                    cell(if self.root { "YES" } else { "NO" }),
                ]],
            )),
            ("mysql", "user") if self.root => {
                let mut rows = vec![
                    vec![cell("localhost"), cell("mariadb.sys"), cell(""), cell(""), cell("")],
                    vec![cell("localhost"), cell("mysql"), cell("invalid"), cell("mysql_native_password"), cell("invalid")],
                ];
                for account in self.visit.persona.accounts.iter().filter(|a| a.password.is_some()) {
                    let hash = password_hash(account.password.as_deref().unwrap_or_default().as_bytes());
                    rows.push(vec![cell("%"), cell(account.name.clone()), cell(hash.clone()), cell("mysql_native_password"), cell(hash)]);
                }
                Some((columns("Host:char(255) User:char(128) Password plugin authentication_string"), rows))
            }
            ("mysql", "db") if self.root => Some((columns("Host Db User"), Vec::new())),
            ("mysql", "func") if self.root => Some((columns("name ret:tinyint(1) dl type"), Vec::new())),
            _ => None,
        }
    }

    fn databases(&self) -> Vec<String> {
        let mut names: Vec<String> = self.data.keys().cloned().collect();
        names.push("information_schema".into());
        if self.root {
            names.extend(["mysql", "performance_schema", "sys"].map(String::from));
        }
        names.sort();
        names
    }

    /// The table's columns as DESCRIBE shows them.
    pub(super) fn columns_of(&self, db: Option<String>, table: &str) -> Outcome {
        let Some(db) = db.or_else(|| self.db.clone()) else { return Outcome::error(1046, "3D000", "No database selected") };
        let columns = match self.data.get(&db).and_then(|d| d.get(table)) {
            Some(t) => t.columns.clone(),
            None => match self.system_table(&db, table) {
                Some((columns, _)) => columns,
                None => return Outcome::error(1146, "42S02", format!("Table '{db}.{table}' doesn't exist")),
            },
        };
        let cols = schemas(
            "COLUMNS",
            &[
                "Field COLUMN_NAME 64",
                "Type COLUMN_TYPE 196605 1011 b",
                "Null IS_NULLABLE 3",
                "Key COLUMN_KEY 3",
                "Default COLUMN_DEFAULT 196596 1010 b",
                "Extra EXTRA 80",
            ],
        );
        let rows = columns
            .iter()
            .map(|c| {
                vec![
                    cell(c.name.clone()),
                    cell(c.of.clone()),
                    cell(if c.nullable { "YES" } else { "NO" }),
                    cell(key(c)),
                    c.default.clone().map(String::into_bytes),
                    cell(if c.auto { "auto_increment" } else { "" }),
                ]
            })
            .collect();
        listing(cols, rows)
    }

    /// `LIKE 'x'` at the end of a SHOW.
    fn pattern(p: &mut Parser<'_>) -> Result<Option<Vec<u8>>, sql::Wrong> {
        if p.word("like") {
            let text = p.text()?;
            p.end()?;
            return Ok(Some(text));
        }
        if p.word("where") {
            // A filter on the name is the common one.
            let mut found = None;
            while let Some(token) = p.peek().cloned() {
                if let Token::Text(t) = token {
                    found = found.or(Some(t));
                }
                p.at += 1;
            }
            return Ok(found);
        }
        p.end()?;
        Ok(None)
    }

    pub(super) fn show(&mut self, p: &mut Parser<'_>) -> Result<Outcome, sql::Wrong> {
        let full = p.word("full");
        let _ = p.word("global") || p.word("session") || p.word("local") || p.word("extended");
        let start = p.at;
        let Ok(what) = p.name() else { return p.wrong() };
        let fits = |pattern: &Option<Vec<u8>>, name: &str| pattern.as_ref().is_none_or(|pt| like(pt, name.as_bytes()));
        match what.to_ascii_lowercase().as_str() {
            "databases" | "schemas" => {
                let pattern = Self::pattern(p)?;
                let title = pattern.as_ref().map_or("Database".to_owned(), |pt| format!("Database ({})", String::from_utf8_lossy(pt)));
                let mut col = schema("SCHEMATA", "Database SCHEMA_NAME 64");
                col.name = title;
                Ok(listing(vec![col], self.databases().into_iter().filter(|d| fits(&pattern, d)).map(|d| vec![cell(d)]).collect()))
            }
            "tables" => {
                let db = if p.word("from") || p.word("in") { Some(p.name()?) } else { self.db.clone() };
                let pattern = Self::pattern(p)?;
                let Some(db) = db else { return Ok(Outcome::error(1046, "3D000", "No database selected")) };
                if !self.known(&db) {
                    return Ok(Outcome::error(1049, "42000", format!("Unknown database '{db}'")));
                }
                let mut col = schema("TABLE_NAMES", "x TABLE_NAME 73");
                col.name =
                    pattern.as_ref().map_or(format!("Tables_in_{db}"), |pt| format!("Tables_in_{db} ({})", String::from_utf8_lossy(pt)));
                let mut cols = vec![col];
                if full {
                    cols.push(schema("TABLE_NAMES", "Table_type TABLE_TYPE 64"));
                }
                let mut names: Vec<String> = self.data.get(&db).map(|d| d.keys().cloned().collect()).unwrap_or_default();
                if db == "mysql" && self.root {
                    names = [
                        "columns_priv",
                        "column_stats",
                        "db",
                        "event",
                        "func",
                        "general_log",
                        "global_priv",
                        "gtid_slave_pos",
                        "help_category",
                        "help_keyword",
                        "help_relation",
                        "help_topic",
                        "index_stats",
                        "innodb_index_stats",
                        "innodb_table_stats",
                        "plugin",
                        "proc",
                        "procs_priv",
                        "proxies_priv",
                        "roles_mapping",
                        "servers",
                        "slow_log",
                        "table_stats",
                        "tables_priv",
                        "time_zone",
                        "time_zone_leap_second",
                        "time_zone_name",
                        "time_zone_transition",
                        "time_zone_transition_type",
                        "transaction_registry",
                        "user",
                    ]
                    .map(String::from)
                    .to_vec();
                }
                let rows = names
                    .into_iter()
                    .filter(|n| fits(&pattern, n))
                    .map(|n| if full { vec![cell(n), cell("BASE TABLE")] } else { vec![cell(n)] })
                    .collect();
                Ok(listing(cols, rows))
            }
            "variables" => {
                let pattern = Self::pattern(p)?;
                let cols = schemas("SESSION_VARIABLES", &["Variable_name VARIABLE_NAME 64", "Value VARIABLE_VALUE 4096"]);
                Ok(listing(
                    cols,
                    self.variables().into_iter().filter(|(k, _)| fits(&pattern, k)).map(|(k, v)| vec![cell(k), cell(v)]).collect(),
                ))
            }
            "status" => {
                let pattern = Self::pattern(p)?;
                let cols = schemas("SESSION_STATUS", &["Variable_name VARIABLE_NAME 64", "Value VARIABLE_VALUE 4096"]);
                Ok(listing(
                    cols,
                    self.statuses().into_iter().filter(|(k, _)| fits(&pattern, k)).map(|(k, v)| vec![cell(k), cell(v)]).collect(),
                ))
            }
            "columns" | "fields" | "index" | "indexes" | "keys" => {
                if !p.word("from") && !p.word("in") {
                    return p.wrong();
                }
                let (mut db, table) = p.table()?;
                if p.word("from") || p.word("in") {
                    db = Some(p.name()?);
                }
                Self::pattern(p)?;
                if matches!(what.to_ascii_lowercase().as_str(), "columns" | "fields") {
                    return Ok(self.columns_of(db, &table));
                }
                Ok(self.indexes(db, &table))
            }
            "create" => {
                if p.word("database") || p.word("schema") {
                    let name = p.name()?;
                    p.end()?;
                    if !self.known(&name) {
                        return Ok(Outcome::error(1049, "42000", format!("Unknown database '{name}'")));
                    }
                    let text = format!("CREATE DATABASE `{name}` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci */");
                    return Ok(Outcome::Rows {
                        cols: vec![Col::text("Database", 64, true), Col::text("Create Database", 1024, true)],
                        rows: vec![vec![cell(name), cell(text)]],
                        flags: 0,
                    });
                }
                if !p.word("table") {
                    return p.wrong();
                }
                let (db, table) = p.table()?;
                p.end()?;
                Ok(self.create_text(db, &table))
            }
            "table" => {
                if !p.word("status") {
                    return p.wrong();
                }
                let db = if p.word("from") || p.word("in") { Some(p.name()?) } else { self.db.clone() };
                let pattern = Self::pattern(p)?;
                Ok(self.table_status(db, &pattern))
            }
            "grants" => {
                p.at = p.tokens.len();
                let hash = self
                    .visit
                    .persona
                    .account(self.user.as_bytes())
                    .and_then(|a| a.password.clone())
                    .map(|pw| password_hash(pw.as_bytes()))
                    .unwrap_or_default();
                let mut rows = Vec::new();
                if self.root {
                    rows.push(vec![cell(format!(
                        "GRANT ALL PRIVILEGES ON *.* TO `{}`@`%` IDENTIFIED BY PASSWORD '{hash}' WITH GRANT OPTION",
                        self.user
                    ))]);
                } else {
                    rows.push(vec![cell(format!("GRANT USAGE ON *.* TO `{}`@`%` IDENTIFIED BY PASSWORD '{hash}'", self.user))]);
                    rows.push(vec![cell(format!(
                        "GRANT ALL PRIVILEGES ON `{}`.* TO `{}`@`%`",
                        super::scene::application(&self.visit),
                        self.user
                    ))]);
                }
                Ok(Outcome::Rows { cols: vec![Col::text(&format!("Grants for {}@%", self.user), 1024, true)], rows, flags: 0 })
            }
            "processlist" => {
                p.end()?;
                let mut time = Col::int("Time", 7);
                time.kind = kind::LONG;
                let mut id = Col::int("Id", 11);
                id.kind = kind::LONGLONG;
                let progress = Col { kind: kind::DOUBLE, decimals: 3, ..Col::int("Progress", 7) };
                let cols = vec![
                    id,
                    Col::text("User", 128, true),
                    Col::text("Host", 64, true),
                    Col::text("db", 64, false),
                    Col::text("Command", 16, true),
                    time,
                    Col::text("State", 30, false),
                    Col::text("Info", if full { 65_535 } else { 100 }, false),
                    progress,
                ];
                let text: Vec<u8> = p.sql.iter().copied().take(100).collect();
                Ok(Outcome::Rows {
                    cols,
                    rows: vec![vec![
                        cell(self.id.to_string()),
                        cell(self.user.clone()),
                        cell(self.visit.peer.to_string()),
                        self.db.clone().map(String::into_bytes),
                        cell("Query"),
                        cell("0"),
                        cell("starting"),
                        cell(text),
                        cell("0.000"),
                    ]],
                    flags: 0,
                })
            }
            "engines" | "plugins" => {
                p.end()?;
                let (cols, text) = if what.eq_ignore_ascii_case("engines") {
                    (
                        schemas(
                            "ENGINES",
                            &[
                                "Engine ENGINE 64",
                                "Support SUPPORT 8",
                                "Comment COMMENT 160",
                                "Transactions TRANSACTIONS 3 1000",
                                "XA XA 3 1000",
                                "Savepoints SAVEPOINTS 3 1000",
                            ],
                        ),
                        include_str!("engines.tsv"),
                    )
                } else {
                    (
                        schemas(
                            "PLUGINS",
                            &[
                                "Name PLUGIN_NAME 64",
                                "Status PLUGIN_STATUS 16",
                                "Type PLUGIN_TYPE 80",
                                "Library PLUGIN_LIBRARY 64 1000",
                                "License PLUGIN_LICENSE 80",
                            ],
                        ),
                        include_str!("plugins.tsv"),
                    )
                };
                let rows = text.lines().map(|l| l.split('\t').map(|f| if f == "NULL" { None } else { cell(f) }).collect()).collect();
                Ok(listing(cols, rows))
            }
            "warnings" | "errors" => {
                p.at = p.tokens.len();
                let code = Col { flags: 0xa1, ..Col::int("Code", 4) };
                let rows = self.warnings.iter().map(|(n, t)| vec![cell("Error"), cell(n.to_string()), cell(t.clone())]).collect();
                Ok(Outcome::Rows { cols: vec![Col::text("Level", 7, true), code, Col::text("Message", 512, true)], rows, flags: 0 })
            }
            "character" | "charset" | "collation" | "triggers" | "events" | "procedure" | "function" | "open" | "privileges"
            | "profiles" => {
                p.at = p.tokens.len();
                Ok(listing(vec![schema("ROUTINES", "Name ROUTINE_NAME 64")], Vec::new()))
            }
            "master" | "slave" | "replica" | "binary" | "binlog" | "slaves" | "all" => {
                p.at = p.tokens.len();
                if self.root {
                    return Ok(if what.eq_ignore_ascii_case("binary") {
                        Outcome::error(1381, "HY000", "You are not using binary logging")
                    } else {
                        Outcome::Rows {
                            cols: vec![
                                Col::text("File", 255, true),
                                Col::int("Position", 10),
                                Col::text("Binlog_Do_DB", 255, true),
                                Col::text("Binlog_Ignore_DB", 255, true),
                            ],
                            rows: Vec::new(),
                            flags: 0,
                        }
                    });
                }
                Ok(Outcome::error(
                    1227,
                    "42000",
                    "Access denied; you need (at least one of) the SUPER, BINLOG MONITOR privilege(s) for this operation",
                ))
            }
            "engine" => {
                p.at = p.tokens.len();
                Ok(if self.root {
                    Outcome::Rows {
                        cols: vec![Col::text("Type", 10, true), Col::text("Name", 512, true), Col::text("Status", 10, true)],
                        rows: vec![vec![cell("InnoDB"), cell(""), cell(self.innodb())]],
                        flags: 0,
                    }
                } else {
                    Outcome::error(1227, "42000", "Access denied; you need (at least one of) the PROCESS privilege(s) for this operation")
                })
            }
            _ => {
                p.at = start;
                p.wrong()
            }
        }
    }

    fn innodb(&self) -> String {
        let now = stamp(self.now);
        format!(
            "\n=====================================\n{now} 0x7f{} INNODB MONITOR OUTPUT\n=====================================\nPer second averages calculated from the last 4 seconds\n-----------------\nBACKGROUND THREAD\n-----------------\nsrv_master_thread loops: 0 srv_active, 0 srv_shutdown, {} srv_idle\nsrv_master_thread log flush and writes: {}\n----------------------------\nEND OF INNODB MONITOR OUTPUT\n============================\n",
            hex::encode(self.visit.derive("mysql/innodb").get(..5).unwrap_or_default()),
            self.uptime(),
            self.uptime()
        )
    }

    fn indexes(&self, db: Option<String>, table: &str) -> Outcome {
        let Some(db) = db.or_else(|| self.db.clone()) else { return Outcome::error(1046, "3D000", "No database selected") };
        let Some(t) = self.data.get(&db).and_then(|d| d.get(table)) else {
            return Outcome::error(1146, "42S02", format!("Table '{db}.{table}' doesn't exist"));
        };
        let cols = schemas(
            "STATISTICS",
            &[
                "Table TABLE_NAME 64",
                "Non_unique NON_UNIQUE 1 1001 n",
                "Key_name INDEX_NAME 64",
                "Seq_in_index SEQ_IN_INDEX 2 1021 i",
                "Column_name COLUMN_NAME 64",
                "Collation COLLATION 1 1000",
                "Cardinality CARDINALITY 21 1000 n",
                "Sub_part SUB_PART 3 1000 n",
                "Packed PACKED 10 1000",
                "Null NULLABLE 3",
                "Index_type INDEX_TYPE 16",
                "Comment COMMENT 16 1000",
                "Index_comment INDEX_COMMENT 1024",
                "Ignored IGNORED 3",
            ],
        );
        let rows = t
            .columns
            .iter()
            .filter(|c| c.primary || c.unique)
            .map(|c| {
                vec![
                    cell(table),
                    cell("0"),
                    cell(if c.primary { "PRIMARY" } else { &c.name }),
                    cell("1"),
                    cell(c.name.clone()),
                    cell("A"),
                    cell(t.rows.len().to_string()),
                    None,
                    None,
                    cell(""),
                    cell("BTREE"),
                    cell(""),
                    cell(""),
                    cell("NO"),
                ]
            })
            .collect();
        listing(cols, rows)
    }

    fn create_text(&self, db: Option<String>, table: &str) -> Outcome {
        let Some(db) = db.or_else(|| self.db.clone()) else { return Outcome::error(1046, "3D000", "No database selected") };
        let Some(t) = self.data.get(&db).and_then(|d| d.get(table)) else {
            return Outcome::error(1146, "42S02", format!("Table '{db}.{table}' doesn't exist"));
        };
        let mut lines: Vec<String> = t
            .columns
            .iter()
            .map(|c| {
                let mut line = format!("  `{}` {}", c.name, c.of);
                line.push_str(if c.nullable { "" } else { " NOT NULL" });
                match &c.default {
                    Some(d) if d.parse::<f64>().is_ok() && !c.of.contains("char") => line.push_str(&format!(" DEFAULT {d}")),
                    Some(d) => line.push_str(&format!(" DEFAULT '{d}'")),
                    None if c.nullable => line.push_str(" DEFAULT NULL"),
                    None => {}
                }
                line.push_str(if c.auto { " AUTO_INCREMENT" } else { "" });
                line
            })
            .collect();
        let primary: Vec<String> = t.columns.iter().filter(|c| c.primary).map(|c| format!("`{}`", c.name)).collect();
        if !primary.is_empty() {
            lines.push(format!("  PRIMARY KEY ({})", primary.join(",")));
        }
        lines.extend(t.columns.iter().filter(|c| c.unique).map(|c| format!("  UNIQUE KEY `{0}` (`{0}`)", c.name)));
        let auto = if t.columns.iter().any(|c| c.auto) && t.next > 1 { format!(" AUTO_INCREMENT={}", t.next) } else { String::new() };
        let text = format!(
            "CREATE TABLE `{table}` (\n{}\n) ENGINE=InnoDB{auto} DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci",
            lines.join(",\n")
        );
        Outcome::Rows {
            cols: vec![Col::text("Table", 64, true), Col::text("Create Table", 1024, true)],
            rows: vec![vec![cell(table), cell(text)]],
            flags: 0,
        }
    }

    fn table_status(&self, db: Option<String>, pattern: &Option<Vec<u8>>) -> Outcome {
        let Some(db) = db else { return Outcome::error(1046, "3D000", "No database selected") };
        let cols = schemas(
            "TABLES",
            &[
                "Name TABLE_NAME 64",
                "Engine ENGINE 64 1000",
                "Version VERSION 21 1020 n",
                "Row_format ROW_FORMAT 10 1000",
                "Rows TABLE_ROWS 21 1020 n",
                "Avg_row_length AVG_ROW_LENGTH 21 1020 n",
                "Data_length DATA_LENGTH 21 1020 n",
                "Max_data_length MAX_DATA_LENGTH 21 1020 n",
                "Index_length INDEX_LENGTH 21 1020 n",
                "Data_free DATA_FREE 21 1020 n",
                "Auto_increment AUTO_INCREMENT 21 1020 n",
                "Create_time CREATE_TIME 19 1080 d",
                "Update_time UPDATE_TIME 19 1080 d",
                "Check_time CHECK_TIME 19 1080 d",
                "Collation TABLE_COLLATION 64 1000",
                "Checksum CHECKSUM 21 1020 n",
                "Create_options CREATE_OPTIONS 2048 1000",
                "Comment TABLE_COMMENT 2048",
                "Max_index_length MAX_INDEX_LENGTH 21 1020 n",
                "Temporary TEMPORARY 1 1000",
            ],
        );
        let mut rows = Vec::new();
        for (name, t) in self.data.get(&db).into_iter().flatten() {
            if pattern.as_ref().is_some_and(|p| !like(p, name.as_bytes())) {
                continue;
            }
            let n = t.rows.len();
            let length = 16_384 * (t.weight() / 12_000 + 1);
            let auto = t.columns.iter().any(|c| c.auto).then(|| t.next.to_string().into_bytes());
            let index = 16_384 * t.columns.iter().filter(|c| c.unique).count();
            rows.push(vec![
                cell(name.clone()),
                cell("InnoDB"),
                cell("10"),
                cell("Dynamic"),
                cell(n.to_string()),
                cell((length / n.max(1)).to_string()),
                cell(length.to_string()),
                cell("0"),
                cell(index.to_string()),
                cell("0"),
                auto,
                cell(stamp(Micros(t.created))),
                None,
                None,
                cell("utf8mb4_general_ci"),
                None,
                cell(""),
                cell(""),
                cell("0"),
                cell("N"),
            ]);
        }
        listing(cols, rows)
    }
}

fn key(c: &Column) -> &'static str {
    match (c.primary, c.unique) {
        (true, _) => "PRI",
        (_, true) => "UNI",
        _ => "",
    }
}
