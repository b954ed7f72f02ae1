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

/** Calls the API, and returns the JSON of the response. Throws the problem's text. */
export async function answered(path, init) {
  return answerIn(await call(path, init))
}

/** The JSON of a response; null for a response without a body. Throws the problem's text. */
export async function answerIn(response) {
  if (!response.ok) throw new Error((await problemIn(response)).detail)
  if (response.status === 204) return null
  if (!hasJson(response)) throw new Error(`The answer with status ${response.status} is not JSON. ${notByWaggle(response.status)}`)
  return response.json()
}

/** The problem of a response that is an error. Waggle's own problems are JSON with a code; a proxy may answer with HTML, which has none. */
export async function problemIn(response) {
  const { status, statusText } = response
  const body = hasJson(response) ? await response.json().catch(() => null) : null
  const title = `Status ${status}${statusText === '' ? '' : ` ${statusText}`}`
  return typeof body?.detail === 'string' ? body : { title, detail: `${title}. ${notByWaggle(status)}` }
}

function hasJson(response) {
  return /^application\/([\w.+-]+\+)?json\b/i.test(response.headers.get('content-type') ?? '')
}

function notByWaggle(status) {
  const next =
    status >= 500
      ? 'Look whether Waggle runs, and into the log of the proxy before it.'
      : 'Let the proxy before Waggle pass on this call, or open the page on the machine that Waggle runs on.'
  return `Waggle did not write this answer. ${next}`
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
