/** A failure as a problem, for people. A fetch that reaches nothing throws a TypeError. */
export function failureOf(error) {
  return error instanceof TypeError
    ? { title: 'The server cannot be reached', detail: 'It may have stopped. The page reconnects when it is back.' }
    : { detail: error.message }
}

/** The JSON of an answer of the API. Throws the problem's text. */
export async function answered(path, init) {
  const response = await fetch(path, init)
  if (response.status === 204) return null
  const body = await response.json()
  if (!response.ok) throw new Error(body.detail ?? response.statusText)
  return body
}
