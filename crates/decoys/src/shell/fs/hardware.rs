//! The machine under the persona: processor, memory, disk and network card, told by the MAC's vendor and
//! the decky's own derived randomness, and the same for every command and file that shows them.

use model::Persona;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

/// A random generator of this decky for one purpose.
pub(crate) fn rng(persona: &Persona, purpose: &str) -> ChaCha12Rng {
    ChaCha12Rng::from_seed(crate::stage::derive(persona, purpose))
}

/// One of a few.
fn drawn<T: Copy, const N: usize>(rng: &mut impl Rng, list: [T; N]) -> T {
    let n = rng.random_range(0..N);
    #[expect(clippy::indexing_slicing, reason = "drawn below the length")]
    list[n]
}

/// What the hardware says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Hardware {
    pub(crate) cpu: &'static str,
    pub(crate) family: u32,
    pub(crate) model: u32,
    pub(crate) stepping: u32,
    pub(crate) microcode: u32,
    pub(crate) mhz: f64,
    pub(crate) cache_kb: u32,
    pub(crate) cores: u32,
    pub(crate) amd: bool,
    pub(crate) hypervisor: Option<&'static str>,
    pub(crate) mem_kb: u64,
    pub(crate) swap_kb: u64,
    /// `sda`, `vda` or `nvme0n1`.
    pub(crate) disk: &'static str,
    pub(crate) disk_gb: u64,
    /// `eth0`, `ens18`, `enp3s0`, …
    pub(crate) nic: &'static str,
    pub(crate) sys_vendor: &'static str,
    pub(crate) product: &'static str,
    pub(crate) bios: &'static str,
    pub(crate) bios_date: &'static str,
}

type Cpu = (&'static str, u32, u32, u32, u32, f64, u32, bool);

const SERVER: &[Cpu] = &[
    ("Intel(R) Xeon(R) Silver 4210R CPU @ 2.40GHz", 6, 85, 7, 0x500_3605, 2400.0, 14080, false),
    ("Intel(R) Xeon(R) CPU E5-2630 v4 @ 2.20GHz", 6, 79, 1, 0xb00_0040, 2200.0, 25600, false),
    ("Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz", 6, 85, 4, 0x200_7006, 2100.0, 22528, false),
    ("Intel(R) Xeon(R) E-2224 CPU @ 3.40GHz", 6, 158, 10, 0xf4, 3400.0, 8192, false),
    ("AMD EPYC 7302P 16-Core Processor", 23, 49, 0, 0x830_107a, 3000.0, 512, true),
    ("AMD EPYC 7282 16-Core Processor", 23, 49, 0, 0x830_107c, 2800.0, 512, true),
];
const DESK: &[Cpu] = &[
    ("Intel(R) Core(TM) i5-8500 CPU @ 3.00GHz", 6, 158, 10, 0xf4, 3000.0, 9216, false),
    ("Intel(R) Core(TM) i7-6700 CPU @ 3.40GHz", 6, 94, 3, 0xf0, 3400.0, 8192, false),
    ("Intel(R) Core(TM) i3-10100 CPU @ 3.60GHz", 6, 165, 3, 0xfa, 3600.0, 6144, false),
    ("AMD Ryzen 5 3600 6-Core Processor", 23, 113, 0, 0x870_1030, 3600.0, 512, true),
];

impl Hardware {
    /// The hardware of `persona`.
    pub(crate) fn of(persona: &Persona) -> Self {
        let mut rng = rng(persona, "shell/hardware");
        let vendor = persona.mac.get(..8).unwrap_or_default().to_ascii_lowercase();
        let virt = match vendor.as_str() {
            "52:54:00" | "bc:24:11" => Some("kvm"),
            "00:50:56" | "00:0c:29" | "00:05:69" => Some("vmware"),
            "08:00:27" => Some("oracle"),
            "00:15:5d" => Some("microsoft"),
            "00:16:3e" => Some("xen"),
            _ => None,
        };
        let table = if virt.is_some() || persona.archetype.contains("server") { SERVER } else { DESK };
        let (cpu, family, model, stepping, microcode, mhz, cache_kb, amd) =
            table.get(rng.random_range(0..table.len())).copied().unwrap_or(("Intel(R) Xeon(R) CPU", 6, 85, 7, 0x1, 2_400.0, 16_384, false));
        let cores = if virt.is_some() { drawn(&mut rng, [1, 2, 2, 4, 4, 8]) } else { drawn(&mut rng, [4, 4, 6, 8]) };
        let gib = drawn(&mut rng, [1u64, 2, 2, 4, 4, 8, 8, 16]).max(u64::from(cores) / 2);
        // The kernel keeps some for itself.
        let mem_kb = gib * 1024 * 1024 - rng.random_range(28_000..64_000u64) - gib * 9_000;
        let (disk, nic) = match virt {
            Some("kvm") if rng.random() => ("vda", "enp1s0"),
            Some("kvm") => ("sda", "ens18"),
            Some("vmware") => ("sda", "ens192"),
            Some("oracle") => ("sda", "enp0s3"),
            Some(_) => ("sda", "eth0"),
            None => (drawn(&mut rng, ["sda", "nvme0n1"]), drawn(&mut rng, ["eno1", "enp3s0", "enp2s0", "eno1"])),
        };
        let nic = if persona.distro.id == "alpine" { "eth0" } else { nic };
        let (sys_vendor, product, bios, bios_date) = match virt {
            Some("kvm") => ("QEMU", "Standard PC (Q35 + ICH9, 2009)", "rel-1.16.2-0-gea1b7a073390-prebuilt.qemu.org", "04/01/2014"),
            Some("vmware") => ("VMware, Inc.", "VMware Virtual Platform", "6.00", "11/12/2020"),
            Some("oracle") => ("innotek GmbH", "VirtualBox", "VirtualBox", "12/01/2006"),
            Some("microsoft") => ("Microsoft Corporation", "Virtual Machine", "Hyper-V UEFI Release v4.1", "05/09/2022"),
            Some(_) => ("Xen", "HVM domU", "4.17.2", "08/24/2023"),
            None => match rng.random_range(0..3) {
                0 => ("Dell Inc.", "PowerEdge R340", "2.16.1", "08/18/2023"),
                1 => ("HPE", "ProLiant DL20 Gen10", "U43", "03/11/2023"),
                _ => ("Dell Inc.", "OptiPlex 7060", "1.27.0", "06/29/2023"),
            },
        };
        let swap_kb = drawn(&mut rng, [1_048_572u64, 999_420, 975_868, 2_097_148]);
        let disk_gb = drawn(&mut rng, [20u64, 32, 40, 64, 80, 120]);
        Self {
            cpu,
            family,
            model,
            stepping,
            microcode,
            mhz: mhz + f64::from(rng.random_range(-900..900i32)) / 1000.0,
            cache_kb,
            cores,
            amd,
            hypervisor: virt,
            mem_kb,
            swap_kb,
            disk,
            disk_gb,
            nic,
            sys_vendor,
            product,
            bios,
            bios_date,
        }
    }

    /// Name of the first partition: `sda1`, `nvme0n1p1`.
    pub(crate) fn part(&self, number: u32) -> String {
        let sep = if self.disk.ends_with(|c: char| c.is_ascii_digit()) { "p" } else { "" };
        format!("{}{sep}{number}", self.disk)
    }

    /// Size of the root file system in 1 KiB blocks.
    pub(crate) fn root_kb(&self) -> u64 {
        (self.disk_gb * 1024 * 1024 - self.swap_kb - 600_000) * 98 / 100
    }
}
