import { Refused } from 'waggle-streams'

/**
 * A bee is a function. The input is a JSON value, or a Uint8Array for any other body. The result goes to the next bee. If the function throws
 * Refused, the caller gets status 422.
 */
export default function greet(input: unknown): { readonly greeting: string } {
  const name = input !== null && typeof input === 'object' && 'name' in input ? input.name : null
  if (typeof name !== 'string') throw new Refused('Send {"name": "…"}')
  return { greeting: `Hello, ${name}!` }
}
