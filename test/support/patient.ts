import { setTimeout as pause } from 'node:timers/promises'

/** Repeats a request while the gateway answers 503, as it does if other tests keep the machine busy. */
export async function patient(send: () => Promise<Response>): Promise<Response> {
  for (;;) {
    const answer = await send()
    if (answer.status !== 503) return answer
    await answer.body?.cancel()
    await pause(200)
  }
}
