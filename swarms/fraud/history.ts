import { Grouped, type KStream, Materialized } from 'waggle-streams'
import type { Payment } from './payment.ts'

/** A payment beside the earlier payments of its card. */
interface ComparedPayment {
  readonly card: string
  readonly amount: number
  /** The amount, divided by the mean of the earlier ones; 1 for the first payment. */
  readonly times_usual: number
  /** Payments in the last ten minutes, with this one. */
  readonly in_ten_minutes: number
  /** 1 if the payment before this one was in another country. */
  readonly new_country: 0 | 1
}

interface CardState {
  /** Identity of the newest payment's request. */
  readonly requestId: string
  readonly compared: ComparedPayment | null
  readonly count: number
  readonly mean: number
  readonly country: string
  /** The newest times, in epoch ms. */
  readonly timesMs: readonly number[]
}

/** Counts, means and times by card. Each payment is one update of its card's state, and the update is the result. */
function connect(payments: KStream<string, Payment>): KStream<string, ComparedPayment | null> {
  return (
    payments
      // The card becomes the key, so the request id travels in the value.
      .map((requestId, payment) => [payment.card, { requestId, payment }])
      .groupByKey(Grouped.as('payments-by-card'))
      .aggregate(
        (): CardState => ({ requestId: '', compared: null, count: 0, mean: 0, country: '', timesMs: [] }),
        (_, { requestId, payment }, state) => ({ requestId, ...withPayment(state, payment) }),
        Materialized.as('cards'),
      )
      .toStream()
      .map((_, state) => [state?.requestId ?? '', state?.compared ?? null])
  )
}

function withPayment(state: CardState, { card, amount, country, time }: Payment): Omit<CardState, 'requestId'> {
  const now = Date.parse(time)
  const timesMs = [...state.timesMs, now].filter((ms) => Math.abs(now - ms) <= tenMinutesMs).slice(-mostTimes)
  const compared: ComparedPayment = {
    card,
    amount,
    times_usual: state.count === 0 ? 1 : amount / state.mean,
    in_ten_minutes: timesMs.length,
    new_country: state.count > 0 && country !== state.country ? 1 : 0,
  }
  const count = state.count + 1
  return { compared, count, mean: state.mean + (amount - state.mean) / count, country, timesMs }
}

const tenMinutesMs = 600_000
const mostTimes = 50

export default { connect }
