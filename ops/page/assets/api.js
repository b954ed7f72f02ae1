const key = 'waggle-token'

/** Keeps the token for this tab, until it closes. */
export function signIn(token) {
  sessionStorage.setItem(key, token)
}

/** A call of the API, with the token if there is one. */
export function call(path, init = {}) {
  const token = sessionStorage.getItem(key)
  return fetch(path, { ...init, headers: { ...init.headers, ...(token === null ? {} : { authorization: `Bearer ${token}` }) } })
}

/** The JSON of an answer of the API. Throws the problem's text. */
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
      // The text of JSON may have U+2028, where a line of a regular expression ends.
      const field = (name) =>
        part
          .split('\n')
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2)
      if (field('event')) yield { event: field('event'), data: JSON.parse(field('data')) }
    }
  }
}

/** A failure as a problem, for people. A fetch that reaches nothing throws a TypeError. */
export function failureOf(error) {
  return error instanceof TypeError
    ? { title: 'The server cannot be reached', detail: 'It may have stopped. The page reconnects when it is back.' }
    : { detail: error.message }
}
