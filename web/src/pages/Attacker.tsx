export function Attacker() { return null; }
