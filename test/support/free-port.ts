import { freePorts } from '../../ops/bench/free-ports.ts'

/** A port that nobody listens at now. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  if (port === undefined) throw new Error('There is no free port')
  return port
}
