/** What {@link import('./dom.js').h} takes. A name that is missing here is most likely a mistake. */
type Name =
  | 'autocomplete'
  | 'checked'
  | 'class'
  | 'datetime'
  | 'for'
  | 'hidden'
  | 'href'
  | 'id'
  | 'inputmode'
  | 'list'
  | 'max'
  | 'maxlength'
  | 'min'
  | 'name'
  | 'novalidate'
  | 'open'
  | 'placeholder'
  | 'reversed'
  | 'role'
  | 'scope'
  | 'spellcheck'
  | 'step'
  | 'tabindex'
  | 'title'
  | 'type'
  | 'value'
  | `aria-${string}`;

/** `true` is an attribute without a value; undefined, null and false leave it out. */
type Value = string | number | boolean | null | undefined;

type Listeners<E> = {
  [K in keyof HTMLElementEventMap as `on${K}`]?: (event: HTMLElementEventMap[K] & { currentTarget: E }) => void;
};

export type Attributes<E> = { [K in Name]?: Value } & Listeners<E> & { data?: Record<string, string> };

/** Whatever an attribute may be. */
export type AnyAttribute = Value | Record<string, string> | EventListener;

/** What is not there is left out. */
export type Child = Node | string | undefined | null | false;
