import { html, useState } from 'htm/preact/standalone'
import { signIn } from './api.js'

/** The form for a token, if the server requires a token. `isRefused`: the last token did not have the scope `read`. */
export function SignIn({ isRefused, onSignIn }) {
  const [token, setToken] = useState('')
  const send = (event) => {
    event.preventDefault()
    signIn(token.trim())
    onSignIn()
  }
  return html`<main><section aria-labelledby="sign-in-title">
    <h2 id="sign-in-title">Sign in</h2>
    <p class="quiet">This server wants a token with the scope <code>read</code>, and <code>ask:*</code> to send requests: <code>waggle tokens create NAME --scope read --scope 'ask:*'</code></p>
    ${isRefused && html`<p class="bad" role="alert">The token is unknown, or has not the scope <code>read</code>.</p>`}
    <form class="row" onSubmit=${send}>
      <label class="grow">Token <input type="password" autocomplete="off" required value=${token} onInput=${({ target }) => setToken(target.value)} /></label>
      <button class="main" type="submit">Sign in</button>
    </form>
  </section></main>`
}
