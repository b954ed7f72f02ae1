import { isUtf8 } from 'node:buffer'
import type { Header } from '../../topology/record.ts'

/**
 * Headers as an object of texts; undefined if no header remains. A header that is not UTF-8, or that is larger than `maxHeaderBytes`, is left out.
 */
export function headerTexts(headers: readonly Header[]): { readonly [name: string]: string } | undefined {
  const texts: [string, string][] = []
  let left = maxHeaderBytes
  for (const { key, value } of headers) {
    if (value === null || !isUtf8(value)) continue
    const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString()
    left -= Buffer.byteLength(key) + value.length
    if (left < 0) break
    texts.push([key, text])
  }
  return texts.length === 0 ? undefined : Object.fromEntries(texts)
}

const maxHeaderBytes = 16 * 1024
