//! MAC addresses: the vendor's prefix fits the machine, the rest is the decky's own.

use std::collections::HashSet;

use super::dice::Dice;
use crate::archetypes::Hardware;

const VMWARE: &[[u8; 3]] = &[[0x00, 0x50, 0x56], [0x00, 0x0c, 0x29]];
const DELL: &[[u8; 3]] = &[[0xd0, 0x94, 0x66], [0xf4, 0x8e, 0x38], [0x18, 0x66, 0xda], [0xb0, 0x83, 0xfe], [0x24, 0x6e, 0x96]];
const HPE: &[[u8; 3]] = &[[0x94, 0x57, 0xa5], [0x3c, 0xa8, 0x2a], [0x48, 0xdf, 0x37], [0x98, 0xf2, 0xb3], [0x9c, 0xdc, 0x71]];
const SUPERMICRO: &[[u8; 3]] = &[[0xac, 0x1f, 0x6b], [0x0c, 0xc4, 0x7a], [0x3c, 0xec, 0xef]];
const INTEL: &[[u8; 3]] = &[[0xa0, 0x36, 0x9f], [0x90, 0xe2, 0xba], [0x3c, 0xfd, 0xfe]];
const HYPER_V: &[[u8; 3]] = &[[0x00, 0x15, 0x5d]];
const STORAGE: &[[u8; 3]] = &[[0x00, 0x11, 0x32], [0x24, 0x5e, 0xbe]];
const HP_PRINT: &[[u8; 3]] = &[[0x3c, 0xd9, 0x2b], [0x00, 0x80, 0x77], [0x9c, 0x93, 0x4e]];
const SMALL: &[[u8; 3]] = &[[0xb8, 0x27, 0xeb], [0xdc, 0xa6, 0x32], [0xe4, 0x5f, 0x01], [0x24, 0x0a, 0xc4], [0x44, 0x19, 0xb6]];
const CONTROL: &[[u8; 3]] = &[[0x00, 0x1c, 0x06], [0x28, 0x63, 0x36], [0x00, 0x90, 0xe8]];
const PHONE: &[[u8; 3]] = &[[0x00, 0x0b, 0x82], [0x00, 0x50, 0x56]];

/// A MAC address nobody in `taken` has, in lower-case colon form.
pub(super) fn mac(key: &[u8; 32], hardware: Hardware, taken: &HashSet<String>) -> String {
    let mut dice = Dice::of(key, "fleet/mac");
    let vendors: &[&[[u8; 3]]] = match hardware {
        Hardware::Server => &[VMWARE, VMWARE, VMWARE, DELL, HPE, SUPERMICRO, HYPER_V],
        Hardware::Desktop => &[DELL, INTEL, HPE],
        Hardware::Storage => &[STORAGE, SUPERMICRO, VMWARE],
        Hardware::Printer => &[HP_PRINT],
        Hardware::Device => &[SMALL],
        Hardware::Controller => &[CONTROL],
        Hardware::Phone => &[PHONE],
    };
    let block: &[[u8; 3]] = vendors.get(usize::try_from(dice.below(vendors.len() as u64)).unwrap_or(0)).copied().unwrap_or(VMWARE);
    loop {
        let [a, b, c] = *dice.pick(block);
        let low = dice.below(1 << 24);
        let [_, _, _, _, _, d, e, f] = low.to_be_bytes();
        // vCenter gives 00:50:56:80 to bf; the rest of the block is for other uses.
        let d = if [a, b, c] == [0x00, 0x50, 0x56] { 0x80 | (d & 0x3f) } else { d };
        let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        if !taken.contains(&mac) {
            return mac;
        }
    }
}
