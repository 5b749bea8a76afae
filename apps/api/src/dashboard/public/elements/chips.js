/** A row of buttons of which one is pressed: what of a list is shown. */
import { h, setText } from './dom.js';

/** @template {string} Group */
export class Chips {
  /**
   * @param {readonly (readonly [group: Group, label: string])[]} groups the first one is pressed at the beginning
   * @param {(group: Group) => void} onChoose
   */
  constructor(groups, onChoose) {
    this.chips = groups.map(([group, label], i) => {
      const number = h('span');
      const choose = () => {
        this.press(group);
        onChoose(group);
      };
      const button = h('button', { class: 'chip', type: 'button', 'aria-pressed': String(i === 0), onclick: choose }, label);
      return { group, button, number };
    });
    this.elements = this.chips.map(({ button }) => button);
  }

  /** @param {Group} group */
  press(group) {
    for (const chip of this.chips) chip.button.setAttribute('aria-pressed', String(chip.group === group));
  }

  /** Shows beside each label how many there are. @param {(group: Group) => number} countOf */
  setCounts(countOf) {
    for (const { group, button, number } of this.chips) {
      if (!number.parentElement) button.append(number);
      setText(number, String(countOf(group)));
    }
  }
}
