import { type Header, headerText, textHeader } from '../../record.ts'
import { batchSizeHeader, finishedHeader, innerCallsHeader, startedHeader } from './headers.ts'

/** The call of a bee whose result is on no topic, because the next bee of its sub-topology took it. Times are epoch milliseconds. */
export interface InnerCall {
  readonly bee: string
  readonly startedAt: number
  readonly finishedAt: number
  readonly batchSize: number
}

/**
 * The header with the times of `bee`, for the output of the bee behind it. The times come from the headers of the later bee's input; null if these
 * headers have no times.
 */
export function withInnerCall(input: readonly Header[], bee: string): Header | null {
  const [startedAt, finishedAt] = [Number(headerText(input, startedHeader) ?? Number.NaN), Number(headerText(input, finishedHeader) ?? Number.NaN)]
  const before = headerText(input, innerCallsHeader)
  if (!Number.isFinite(startedAt) || !Number.isFinite(finishedAt)) return before === null ? null : textHeader(innerCallsHeader, before)
  const call = `${bee}=${startedAt}+${finishedAt - startedAt}/${headerText(input, batchSizeHeader) ?? 1}`
  return textHeader(innerCallsHeader, before === null ? call : `${before},${call}`)
}

export function innerCallsOf(headers: readonly Header[]): readonly InnerCall[] {
  const text = headerText(headers, innerCallsHeader)
  if (text === null) return []
  return text.split(',').flatMap((call) => {
    const [, bee, start, duration, batch] = /^([^=]+)=(\d{1,15})\+(\d{1,12})\/(\d{1,9})$/.exec(call) ?? []
    if (bee === undefined) return []
    const startedAt = Number(start)
    return { bee, startedAt, finishedAt: startedAt + Number(duration), batchSize: Number(batch) }
  })
}
