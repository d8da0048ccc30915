export function Credentials() { return null; }
