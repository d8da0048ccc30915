export function DeckyPage() { return null; }
