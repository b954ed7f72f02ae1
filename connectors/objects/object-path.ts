/**
 * The reason why a path from a store cannot be used below a folder of this machine; null if the path can be used. The key of an object may be any
 * text, so it may lead out of the folder, or have a special meaning for a file system.
 */
export function unsafePath(path: string): string | null {
  if (Buffer.byteLength(path) > maxPathBytes) return `it is longer than ${maxPathBytes} bytes`
  if (!path.isWellFormed()) return 'it is not valid Unicode'
  const names = path.split('/')
  if (names.length > maxDepth) return `it is deeper than ${maxDepth} folders`
  for (const name of names) {
    if (name === '') return 'a name in it is empty'
    if (name === '.' || name === '..') return `${name} leads to another folder`
    if (Buffer.byteLength(name) > maxNameBytes) return `a name in it is longer than ${maxNameBytes} bytes`
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that are refused.
    if (/[\u0000-\u001f\u007f\\]/.test(name)) return 'it has a control character or a backslash'
  }
  return null
}

const maxPathBytes = 1024
/** The longest name in the usual file systems. */
const maxNameBytes = 255
const maxDepth = 32
