import { type LogRecord, valueBytes } from './ports.ts'

/**
 * Bytes that a record takes in memory, about: its objects, and its payload twice, since most are there as a value and as its bytes.
 * A bound that counts payloads alone lets small records take thirty times as much.
 */
export function recordMemory({ key, value, headers }: Pick<LogRecord, 'key' | 'value' | 'headers'>): number {
  let bytes = objectBytes + (key === null ? 0 : key.length) + 2 * valueBytes(value)
  for (const header of headers) bytes += headerBytes + (header.value === null ? 0 : header.value.length)
  return bytes
}

/** Objects of one record, and its share of the 64 KiB blocks that small buffers are cut from: one buffer that stays keeps a whole block. */
export const objectBytes = 3072
const headerBytes = 192
