/**
 * Converts the values of columns into JSON. Numbers, booleans and JSON stay the same. A 64-bit integer outside ±(2^53 - 1), a `numeric`, and special
 * numbers such as NaN become text. Bytes become base64. A timestamp becomes ISO 8601 with its microseconds. Any other value becomes the text that
 * PostgreSQL writes.
 */
export function columnParser(oid: number): (text: string) => unknown {
  const scalar = parsers.get(oid)
  if (scalar !== undefined) return scalar
  const element = elements.get(oid)
  if (element === undefined) return (text) => text
  const inner = parsers.get(element) ?? ((text: string) => text)
  return (text) => listOf(text, inner)
}

/** Reads a list: `{a,"b",NULL,{c}}`. If the first index of a list is not 1, PostgreSQL writes the bounds before it: `[0:1]={a,b}`. */
function listOf(text: string, inner: (text: string) => unknown): unknown {
  const stack: unknown[][] = [[]]
  for (const { groups } of text.replace(/^(\[[-\d]+:[-\d]+\])+=/, '').matchAll(listToken)) {
    const top = stack.at(-1) ?? []
    if (groups?.open !== undefined) {
      const list: unknown[] = []
      top.push(list)
      stack.push(list)
    } else if (groups?.close !== undefined) stack.pop()
    else if (groups?.quoted !== undefined) top.push(inner(groups.quoted.replace(/\\(.)/gs, '$1')))
    else if (groups?.plain !== undefined) top.push(groups.plain === 'NULL' ? null : inner(groups.plain))
  }
  return stack[0]?.[0] ?? text
}

const listToken = /(?<open>\{)|(?<close>\})|"(?<quoted>(?:[^"\\]|\\.)*)"|(?<plain>[^{},"]+)/gs

function number(text: string): number | string {
  const value = Number(text)
  return Number.isFinite(value) ? value : text
}

function integer(text: string): number | string {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : text
}

function timestamp(text: string): string {
  return text.replace(/^(\d{4,6}-\d\d-\d\d) (\S+?)([+-]\d\d)?(:\d\d)?$/, (_, day: string, time: string, hours?: string, minutes?: string) =>
    hours === undefined ? `${day}T${time}` : `${day}T${time}${hours}${minutes ?? ':00'}`,
  )
}

const json = (text: string): unknown => JSON.parse(text)
const bytes = (text: string) => Buffer.from(text.slice(2), 'hex').toString('base64')

/** Parsers, by the number of the type. The numbers of PostgreSQL's own types never change. */
const parsers: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [16, (text) => text === 't'],
  [17, bytes],
  [20, integer],
  [21, number],
  [23, number],
  [26, number],
  [700, number],
  [701, number],
  [114, json],
  [3802, json],
  [1114, timestamp],
  [1184, timestamp],
])
/** For each type of list, the type of its items. */
const elements: ReadonlyMap<number, number> = new Map([
  ...([
    [1000, 16],
    [1001, 17],
    [1016, 20],
    [1005, 21],
    [1007, 23],
    [1028, 26],
    [1021, 700],
    [1022, 701],
    [199, 114],
    [3807, 3802],
  ] as const),
  ...([
    [1115, 1114],
    [1185, 1184],
    [1009, 25],
    [1015, 1043],
    [1014, 1042],
    [2951, 2950],
    [1182, 1082],
    [1231, 1700],
  ] as const),
])
