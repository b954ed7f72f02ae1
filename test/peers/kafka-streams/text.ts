/** The functions that the programs use. The functions in `Peer.java` do the same. */
export const show = (value: unknown): string => (value === null ? 'null' : String(value))
export const cut = (value: string): string => value.slice(-12)
export const even = (value: string | null): boolean => show(value).charCodeAt(show(value).length - 1) % 2 === 0
export const mark = (value: string | null): string => cut(`${show(value)}'`)
export const first = (value: string | null): string => show(value).slice(0, 1)
/** Returns null for values that begin with a 3. */
export const foreignKey = (value: string): string | null => (first(value) === '3' ? null : first(value))
export const concat = (sum: string | null, value: string | null): string => cut(show(sum) + show(value))
export const join = (left: string | null, right: string | null): string => cut(`${show(left)}|${show(right)}`)
export const empty = () => ''
export const hex = (data: Uint8Array | null): string | null => (data === null ? null : Buffer.from(data).toString('hex'))
