/** A word as a POSIX shell takes it: quoted where it holds anything that the shell would read. */
export function shellWord(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
