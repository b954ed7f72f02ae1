const key = 'waggle-token'

/** Stores the token until this tab closes. */
export function signIn(token) {
  sessionStorage.setItem(key, token)
}

/** Calls the API, with the token if there is one. */
export function call(path, init = {}) {
  const token = sessionStorage.getItem(key)
  return fetch(path, { ...init, headers: { ...init.headers, ...(token === null ? {} : { authorization: `Bearer ${token}` }) } })
}

/** The JSON of a response of the API. Throws the problem's text. */
export async function answered(path, init) {
  const response = await call(path, init)
  if (response.status === 204) return null
  const body = await response.json()
  if (!response.ok) throw new Error(body.detail ?? response.statusText)
  return body
}

/** The server-sent events of a response. */
export async function* eventsIn(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    text += value
    const parts = text.split('\n\n')
    text = parts.pop()
    for (const part of parts) {
      // The text of JSON may contain U+2028, which ends a line for a regular expression.
      const field = (name) =>
        part
          .split('\n')
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2)
      if (field('event')) yield { event: field('event'), data: JSON.parse(field('data')) }
    }
  }
}

/** A failure as a problem, in words for people. A fetch that reaches no server throws a TypeError. */
export function failureOf(error) {
  return error instanceof TypeError
    ? { title: 'The server cannot be reached', detail: 'It may have stopped. The page reconnects when it is back.' }
    : { detail: error.message }
}
