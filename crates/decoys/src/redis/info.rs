//! `INFO`: every number follows from the decky's identity, its uptime and what the visitor did.

use bytes::Bytes;

use super::{dialogue::Redis, store::DBS};

/// Sections in the order the server prints them; the flag: part of a plain `INFO`.
const SECTIONS: &[(&str, bool)] = &[
    ("Server", true),
    ("Clients", true),
    ("Memory", true),
    ("Persistence", true),
    ("Stats", true),
    ("Replication", true),
    ("CPU", true),
    ("Modules", true),
    ("Commandstats", false),
    ("Errorstats", true),
    ("Latencystats", false),
    ("Cluster", true),
    ("Keyspace", true),
];

impl Redis {
    pub(super) fn info(&mut self, args: &[Bytes]) {
        let asked: Vec<String> = args.iter().skip(1).map(|a| String::from_utf8_lossy(a).to_ascii_lowercase()).collect();
        let wants = |name: &str, default: bool| {
            if asked.is_empty() {
                return default;
            }
            asked.iter().any(|a| match a.as_str() {
                "all" | "everything" => true,
                "default" => default,
                other => other.eq_ignore_ascii_case(name),
            })
        };
        self.keys.expire_all(self.now);
        let mut text = String::new();
        for (name, default) in SECTIONS {
            if !wants(name, *default)
                || *name == "Modules" && asked.iter().any(|a| a == "all") && !asked.iter().any(|a| a == "everything" || a == "modules")
            {
                continue;
            }
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            text.push_str(&format!("# {name}\r\n"));
            self.section(name, &mut text);
        }
        self.out.text(&text);
    }

    /// Bytes the server uses now.
    pub(super) fn used_memory(&self) -> u64 {
        let base = 880_000 + self.scene.seed % 90_000;
        base + u64::try_from(self.keys.used).unwrap_or(0) * 3 / 2 + self.scene.neighbours * 22_440 + 22_440
    }

    fn section(&self, name: &str, text: &mut String) {
        let scene = &self.scene;
        let up = scene.uptime(self.now);
        let seconds = u64::try_from(self.now.seconds()).unwrap_or(0);
        // The application's load so far; both grow steadily.
        let commands = up * scene.rate / 3600 + self.client.commands;
        let used = self.used_memory();
        let lines: Vec<(&str, String)> = match name {
            "Server" => vec![
                ("redis_version", scene.version.clone()),
                ("redis_git_sha1", "00000000".into()),
                ("redis_git_dirty", "0".into()),
                ("redis_build_id", build_id(&scene.version)),
                ("redis_mode", "standalone".into()),
                ("os", scene.os.clone()),
                ("arch_bits", "64".into()),
                ("monotonic_clock", "POSIX clock_gettime".into()),
                ("multiplexing_api", "epoll".into()),
                ("atomicvar_api", "c11-builtin".into()),
                ("gcc_version", if scene.major >= 7 { "12.2.0" } else { "10.2.1" }.into()),
                ("process_id", scene.pid.to_string()),
                ("process_supervised", "systemd".into()),
                ("run_id", scene.run_id.clone()),
                ("tcp_port", scene.port.to_string()),
                ("server_time_usec", self.now.0.to_string()),
                ("uptime_in_seconds", up.to_string()),
                ("uptime_in_days", (up / 86_400).to_string()),
                ("hz", "10".into()),
                ("configured_hz", "10".into()),
                ("lru_clock", (seconds & 0xff_ffff).to_string()),
                ("executable", "/usr/bin/redis-server".into()),
                ("config_file", "/etc/redis/redis.conf".into()),
                ("io_threads_active", "0".into()),
            ],
            "Clients" => vec![
                ("connected_clients", (scene.neighbours + 1).to_string()),
                ("cluster_connections", "0".into()),
                ("maxclients", self.setting("maxclients")),
                ("client_recent_max_input_buffer", "20480".into()),
                ("client_recent_max_output_buffer", "0".into()),
                ("blocked_clients", "0".into()),
                ("tracking_clients", "0".into()),
                ("clients_in_timeout_table", "0".into()),
            ],
            "Memory" => self.memory_lines(used),
            "Persistence" => self.persistence_lines(up),
            "Stats" => {
                let hits = commands * 61 / 100;
                vec![
                    ("total_connections_received", self.client.id.to_string()),
                    ("total_commands_processed", commands.to_string()),
                    ("instantaneous_ops_per_sec", (scene.rate / 3600 + seconds % 2).to_string()),
                    ("total_net_input_bytes", (commands * 71 + self.client.bytes_in).to_string()),
                    ("total_net_output_bytes", (commands * 163).to_string()),
                    ("total_net_repl_input_bytes", "0".into()),
                    ("total_net_repl_output_bytes", "0".into()),
                    ("instantaneous_input_kbps", format!("{:.2}", (scene.rate * 71) as f64 / 3_686_400.0)),
                    ("instantaneous_output_kbps", format!("{:.2}", (scene.rate * 163) as f64 / 3_686_400.0)),
                    ("instantaneous_input_repl_kbps", "0.00".into()),
                    ("instantaneous_output_repl_kbps", "0.00".into()),
                    ("rejected_connections", "0".into()),
                    ("sync_full", "0".into()),
                    ("sync_partial_ok", "0".into()),
                    ("sync_partial_err", "0".into()),
                    ("expired_keys", (up / 1400 + self.keys.expired).to_string()),
                    ("expired_stale_perc", "0.00".into()),
                    ("expired_time_cap_reached_count", "0".into()),
                    ("expire_cycle_cpu_milliseconds", (up / 43).to_string()),
                    ("evicted_keys", "0".into()),
                    ("evicted_clients", "0".into()),
                    ("total_eviction_exceeded_time", "0".into()),
                    ("current_eviction_exceeded_time", "0".into()),
                    ("keyspace_hits", hits.to_string()),
                    ("keyspace_misses", (hits / 9).to_string()),
                    ("pubsub_channels", "0".into()),
                    ("pubsub_patterns", "0".into()),
                    ("pubsubshard_channels", "0".into()),
                    ("latest_fork_usec", (180 + scene.seed % 400).to_string()),
                    ("total_forks", (up / 3600 + 1).to_string()),
                    ("migrate_cached_sockets", "0".into()),
                    ("slave_expires_tracked_keys", "0".into()),
                    ("active_defrag_hits", "0".into()),
                    ("active_defrag_misses", "0".into()),
                    ("active_defrag_key_hits", "0".into()),
                    ("active_defrag_key_misses", "0".into()),
                    ("total_active_defrag_time", "0".into()),
                    ("current_active_defrag_time", "0".into()),
                    ("tracking_total_keys", "0".into()),
                    ("tracking_total_items", "0".into()),
                    ("tracking_total_prefixes", "0".into()),
                    ("unexpected_error_replies", "0".into()),
                    ("total_error_replies", self.client.errors.values().sum::<u64>().to_string()),
                    ("dump_payload_sanitizations", "0".into()),
                    ("total_reads_processed", (commands + self.client.id).to_string()),
                    ("total_writes_processed", commands.to_string()),
                    ("io_threaded_reads_processed", "0".into()),
                    ("io_threaded_writes_processed", "0".into()),
                    ("reply_buffer_shrinks", (up / 310 + 1).to_string()),
                    ("reply_buffer_expands", (up / 330).to_string()),
                ]
            }
            "Replication" => self.replication_lines(),
            "CPU" => {
                let sys = up as f64 * 0.00071 + 0.031;
                let user = up as f64 * 0.00118 + 0.044;
                vec![
                    ("used_cpu_sys", format!("{sys:.6}")),
                    ("used_cpu_user", format!("{user:.6}")),
                    ("used_cpu_sys_children", format!("{:.6}", (up / 3600) as f64 * 0.0031)),
                    ("used_cpu_user_children", format!("{:.6}", (up / 3600) as f64 * 0.0012)),
                    ("used_cpu_sys_main_thread", format!("{:.6}", sys * 0.993)),
                    ("used_cpu_user_main_thread", format!("{:.6}", user * 0.997)),
                ]
            }
            "Errorstats" => {
                for (code, n) in &self.client.errors {
                    text.push_str(&format!("errorstat_{code}:count={n}\r\n"));
                }
                Vec::new()
            }
            "Commandstats" => {
                for (command, n) in &self.client.calls {
                    let each = 2 + (self.keys.hash(command.as_bytes()) % 60);
                    text.push_str(&format!(
                        "cmdstat_{command}:calls={n},usec={},usec_per_call={each}.00,rejected_calls=0,failed_calls=0\r\n",
                        each * n
                    ));
                }
                Vec::new()
            }
            "Latencystats" => {
                for command in self.client.calls.keys() {
                    let each = 2 + (self.keys.hash(command.as_bytes()) % 60);
                    text.push_str(&format!("latency_percentiles_usec_{command}:p50={each}.007,p99={each}.007,p99.9={each}.007\r\n"));
                }
                Vec::new()
            }
            "Cluster" => vec![("cluster_enabled", "0".into())],
            "Keyspace" => {
                for db in 0..DBS {
                    let n = self.keys.size(db);
                    if n > 0 {
                        let left: Vec<i64> = self.keys.entries(db).filter_map(|(_, e)| e.expires).map(|e| e - self.now.millis()).collect();
                        let average = left.iter().sum::<i64>() / i64::try_from(left.len()).unwrap_or(1).max(1);
                        text.push_str(&format!("db{db}:keys={n},expires={},avg_ttl={average}\r\n", self.keys.volatile(db)));
                    }
                }
                Vec::new()
            }
            _ => Vec::new(),
        };
        for (k, v) in lines {
            text.push_str(k);
            text.push(':');
            text.push_str(&v);
            text.push_str("\r\n");
        }
    }

    fn memory_lines(&self, used: u64) -> Vec<(&'static str, String)> {
        let peak =
            880_000 + self.scene.seed % 90_000 + 2_400_000 + self.scene.seed % 700_000 + u64::try_from(self.keys.used).unwrap_or(0) * 3 / 2;
        let rss = 13_303_808 + self.scene.seed % 900 * 4096;
        let overhead = 862_400 + self.scene.neighbours * 22_440 + 22_440;
        let startup = 862_240;
        let dataset = used.saturating_sub(overhead);
        let allocated = used + 210_000 + self.scene.seed % 3000 * 8;
        let active = (allocated + 420_000) / 4096 * 4096;
        let resident = active + 2_900_000 / 4096 * 4096;
        let max: u64 = self.setting("maxmemory").parse().unwrap_or(0);
        let ratio = |a: u64, b: u64| format!("{:.2}", a as f64 / b.max(1) as f64);
        vec![
            ("used_memory", used.to_string()),
            ("used_memory_human", human(used)),
            ("used_memory_rss", rss.to_string()),
            ("used_memory_rss_human", human(rss)),
            ("used_memory_peak", peak.to_string()),
            ("used_memory_peak_human", human(peak)),
            ("used_memory_peak_perc", format!("{:.2}%", used as f64 * 100.0 / peak as f64)),
            ("used_memory_overhead", overhead.to_string()),
            ("used_memory_startup", startup.to_string()),
            ("used_memory_dataset", dataset.to_string()),
            ("used_memory_dataset_perc", format!("{:.2}%", dataset as f64 * 100.0 / used.saturating_sub(startup).max(1) as f64)),
            ("allocator_allocated", allocated.to_string()),
            ("allocator_active", active.to_string()),
            ("allocator_resident", resident.to_string()),
            ("total_system_memory", self.scene.memory_total.to_string()),
            ("total_system_memory_human", human(self.scene.memory_total)),
            ("used_memory_lua", "31744".into()),
            ("used_memory_vm_eval", "31744".into()),
            ("used_memory_lua_human", "31.00K".into()),
            ("used_memory_scripts_eval", "0".into()),
            ("number_of_cached_scripts", "0".into()),
            ("number_of_functions", "0".into()),
            ("number_of_libraries", "0".into()),
            ("used_memory_vm_functions", "32768".into()),
            ("used_memory_vm_total", "64512".into()),
            ("used_memory_vm_total_human", "63.00K".into()),
            ("used_memory_functions", "200".into()),
            ("used_memory_scripts", "200".into()),
            ("used_memory_scripts_human", "200B".into()),
            ("maxmemory", max.to_string()),
            ("maxmemory_human", human(max)),
            ("maxmemory_policy", self.setting("maxmemory-policy")),
            ("allocator_frag_ratio", ratio(active, allocated)),
            ("allocator_frag_bytes", (active - allocated).to_string()),
            ("allocator_rss_ratio", ratio(resident, active)),
            ("allocator_rss_bytes", (resident - active).to_string()),
            ("rss_overhead_ratio", ratio(rss, resident)),
            ("rss_overhead_bytes", rss.saturating_sub(resident).to_string()),
            ("mem_fragmentation_ratio", ratio(rss, used)),
            ("mem_fragmentation_bytes", rss.saturating_sub(used).to_string()),
            ("mem_not_counted_for_evict", "0".into()),
            ("mem_replication_backlog", "0".into()),
            ("mem_total_replication_buffers", "0".into()),
            ("mem_clients_slaves", "0".into()),
            ("mem_clients_normal", (self.scene.neighbours * 22_440 + 22_440).to_string()),
            ("mem_cluster_links", "0".into()),
            ("mem_aof_buffer", "0".into()),
            ("mem_allocator", "jemalloc-5.3.0".into()),
            ("active_defrag_running", "0".into()),
            ("lazyfree_pending_objects", "0".into()),
            ("lazyfreed_objects", "0".into()),
        ]
    }

    fn persistence_lines(&self, up: u64) -> Vec<(&'static str, String)> {
        vec![
            ("loading", "0".into()),
            ("async_loading", "0".into()),
            ("current_cow_peak", "0".into()),
            ("current_cow_size", "0".into()),
            ("current_cow_size_age", "0".into()),
            ("current_fork_perc", "0.00".into()),
            ("current_save_keys_processed", "0".into()),
            ("current_save_keys_total", "0".into()),
            ("rdb_changes_since_last_save", (self.keys.changes + self.since_save() / 4).to_string()),
            ("rdb_bgsave_in_progress", "0".into()),
            ("rdb_last_save_time", self.last_save().to_string()),
            ("rdb_last_bgsave_status", "ok".into()),
            ("rdb_last_bgsave_time_sec", "0".into()),
            ("rdb_current_bgsave_time_sec", "-1".into()),
            ("rdb_saves", (up / 3600).to_string()),
            ("rdb_last_cow_size", (400 * 1024 + self.scene.seed % 90 * 4096).to_string()),
            ("rdb_last_load_keys_expired", "0".into()),
            ("rdb_last_load_keys_loaded", (12 + self.scene.seed % 9).to_string()),
            ("aof_enabled", i64::from(self.setting("appendonly") == "yes").to_string()),
            ("aof_rewrite_in_progress", "0".into()),
            ("aof_rewrite_scheduled", "0".into()),
            ("aof_last_rewrite_time_sec", "-1".into()),
            ("aof_current_rewrite_time_sec", "-1".into()),
            ("aof_last_bgrewrite_status", "ok".into()),
            ("aof_rewrites", "0".into()),
            ("aof_rewrites_consecutive_failures", "0".into()),
            ("aof_last_write_status", "ok".into()),
            ("aof_last_cow_size", "0".into()),
            ("module_fork_in_progress", "0".into()),
            ("module_fork_last_cow_size", "0".into()),
        ]
    }

    /// When the data was last saved, in seconds since the epoch: hourly, or when the visitor asked.
    pub(super) fn last_save(&self) -> i64 {
        let hourly = self.scene.started.seconds() + i64::try_from(self.scene.uptime(self.now) / 3600 * 3600).unwrap_or(0);
        let asked = self.keys.note("saved").and_then(|b| super::message::integer(&b)).unwrap_or(0);
        hourly.max(asked)
    }

    fn since_save(&self) -> u64 {
        u64::try_from(self.now.seconds() - self.last_save()).unwrap_or(0) * self.scene.rate / 40_000
    }

    fn replication_lines(&self) -> Vec<(&'static str, String)> {
        let master = self.keys.note("master").filter(|m| !m.is_empty()).map(|m| String::from_utf8_lossy(&m).into_owned());
        let mut lines = Vec::new();
        if let Some((host, port)) = master.as_deref().and_then(|m| m.rsplit_once(' ')) {
            let since = self.keys.note("master_since").and_then(|b| super::message::integer(&b)).unwrap_or(0);
            lines.extend([
                ("role", "slave".into()),
                ("master_host", host.to_owned()),
                ("master_port", port.to_owned()),
                ("master_link_status", "down".into()),
                ("master_last_io_seconds_ago", "-1".into()),
                ("master_sync_in_progress", "0".into()),
                ("slave_read_repl_offset", "0".into()),
                ("slave_repl_offset", "0".into()),
                ("master_link_down_since_seconds", (self.now.seconds() - since).max(0).to_string()),
                ("slave_priority", "100".into()),
                ("slave_read_only", "1".into()),
                ("replica_announced", "1".into()),
            ]);
        } else {
            lines.push(("role", "master".into()));
        }
        lines.extend([
            ("connected_slaves", "0".into()),
            ("master_failover_state", "no-failover".into()),
            ("master_replid", self.scene.replid.clone()),
            ("master_replid2", "0".repeat(40)),
            ("master_repl_offset", "0".into()),
            ("second_repl_offset", "-1".into()),
            ("repl_backlog_active", "0".into()),
            ("repl_backlog_size", self.setting("repl-backlog-size")),
            ("repl_backlog_first_byte_offset", "0".into()),
            ("repl_backlog_histlen", "0".into()),
        ]);
        lines
    }
}

/// The build id of the distribution's package; a build of another version has another.
fn build_id(version: &str) -> String {
    if version == "7.0.15" { "ae4d7c971a948f0".into() } else { format!("{:x}", super::store::hash(0x5eed, version.as_bytes()) >> 1) }
}

/// `895.13K`.
fn human(n: u64) -> String {
    let f = n as f64;
    match n {
        0..1024 => format!("{n}B"),
        1024..1_048_576 => format!("{:.2}K", f / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.2}M", f / 1_048_576.0),
        _ => format!("{:.2}G", f / 1_073_741_824.0),
    }
}
