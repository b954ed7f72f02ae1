import { Refused } from 'waggle-streams'

export interface Payment {
  readonly card: string
  readonly amount: number
  readonly country: string
  /** ISO 8601. */
  readonly time: string
}

/** The payment in a request's body. */
export default function payment(body: unknown): Payment {
  const { card, amount, country, time } = (body ?? {}) as { readonly [key: string]: unknown }
  if (typeof card !== 'string' || card === '') throw new Refused('card is a text, such as "4711"')
  if (typeof amount !== 'number' || amount <= 0 || amount > mostAmount)
    throw new Refused(`amount is a number above 0 and up to ${mostAmount}, such as 25.5`)
  if (typeof country !== 'string') throw new Refused('country is a text, such as "DE"')
  if (typeof time !== 'string' || Number.isNaN(Date.parse(time))) throw new Refused('time is an ISO 8601 time, such as "2026-03-01T09:00:00Z"')
  return { card, amount, country, time }
}

const mostAmount = 1_000_000_000
