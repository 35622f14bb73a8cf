/** Hands on each message the first time that it comes. */
export function eachOnce(take: (message: string) => void): (message: string) => void {
  const told = new Set<string>();
  return (message) => {
    if (told.has(message)) return;
    told.add(message);
    take(message);
  };
}
