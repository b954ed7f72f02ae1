/**
 * Calls of one function that share their work. For each argument at most one call runs and one call waits. A caller never gets the result of a run
 * that began before its own call, because such a result may be out of date.
 */
export class SharedCalls<T> {
  readonly #call: (argument: string) => Promise<T>
  readonly #running = new Map<string, Promise<unknown>>()
  readonly #waiting = new Map<string, Promise<T>>()

  constructor(call: (argument: string) => Promise<T>) {
    this.#call = call
  }

  for(argument: string): Promise<T> {
    const waiting = this.#waiting.get(argument)
    if (waiting !== undefined) return waiting
    const begun = (this.#running.get(argument) ?? Promise.resolve()).then(() => this.#begin(argument))
    this.#waiting.set(argument, begun)
    return begun
  }

  #begin(argument: string): Promise<T> {
    this.#waiting.delete(argument)
    const result = this.#call(argument)
    const ended = result.then(nothing, nothing).then(() => {
      if (this.#running.get(argument) === ended) this.#running.delete(argument)
    })
    this.#running.set(argument, ended)
    return result
  }
}

const nothing = (): void => {}
