/** Hands a text to the browser as a file to keep. */
export function save(name: string, type: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The download has taken the bytes by the next turn of the loop at the earliest.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
