import { existsSync, openSync, writeFileSync } from 'node:fs'
import { Consumed, Grouped, Materialized, Produced, Serdes, StreamsBuilder } from 'waggle-streams'

/**
 * An action of a visit on the thread that counts the visit. With `once`, only the thread that makes that file does the action; without `once`, every
 * thread.
 */
export interface Order {
  readonly page: string
  readonly once?: string
  readonly does?: 'exit' | 'throw' | 'throw-later'
  /** The file that is made when the visit is counted. */
  readonly startedFile?: string
  /** The thread blocks until this file exists. */
  readonly untilFile?: string
}

const text = Serdes.string()
const builder = new StreamsBuilder()

/** Counts the visits of each page. Their keys are the visitors. */
builder
  .stream('visits', Consumed.with(text, text).skipNullValues())
  .mapValues((visit) => {
    const order = JSON.parse(visit) as Order
    obey(order)
    return order.page
  })
  .groupBy((_, page) => page, Grouped.with(text, text, { name: 'pages' }))
  .count(Materialized.as('counts'))
  .toStream()
  .to('counted', Produced.with(text, Serdes.long()))

export const topology = builder.build()

function obey({ once, does, startedFile, untilFile }: Order): void {
  if (startedFile !== undefined) writeFileSync(startedFile, '')
  while (untilFile !== undefined && !existsSync(untilFile));
  if (does === undefined || (once !== undefined && !isFirst(once))) return
  if (does === 'exit') process.exit(3)
  if (does === 'throw') throw new RangeError('no bears')
  setImmediate(() => {
    throw new TypeError('nobody catches this')
  })
}

function isFirst(file: string): boolean {
  try {
    openSync(file, 'wx')
    return true
  } catch {
    return false
  }
}
