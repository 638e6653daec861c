"use strict";
// Sorting of tables and filtering of images. The page says the same without it.
(() => {
  document.documentElement.classList.add("scripted");

  // What a cell is sorted by: its exact number if it has one, else its text. Cells without a number come last.
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) return cell.textContent.trim();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };

  const compare = (one, other) =>
    typeof one === "string" || typeof other === "string"
      ? String(one).localeCompare(String(other), undefined, { numeric: true })
      : one - other;

  const sort = (table, column, descending) => {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => ({ row, key: keyOf(row, column) }));
    rows.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
      return descending ? compare(b.key, a.key) : compare(a.key, b.key);
    });
    body.append(...rows.map(({ row }) => row));
  };

  const makeSortable = (table) => {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        // Numbers are first sorted from the largest on, texts from A.
        const isNumber = Array.from(table.tBodies[0].rows).some((row) => row.cells[column].dataset.value !== undefined);
        const descending = before ? before === "ascending" : isNumber;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sort(table, column, descending);
      });
    });
  };

  // A select with the id of a list: shows the items whose data-tags hold the chosen word, or all.
  const makeFilter = (select) => {
    const items = Array.from(document.querySelectorAll(`#${select.dataset.filters} [data-tags]`));
    const apply = () => {
      items.forEach((item) => {
        const tags = JSON.parse(item.dataset.tags);
        item.hidden = select.value !== "" && !tags.includes(select.value);
      });
      const shown = items.filter((item) => !item.hidden).length;
      const told = document.getElementById(`${select.dataset.filters}-count`);
      if (told) told.textContent = `${shown} of ${items.length} shown`;
    };
    select.addEventListener("change", apply);
    apply();
  };

  // On paper everything is unfolded.
  const folded = Array.from(document.querySelectorAll("details"));
  let before = [];
  window.addEventListener("beforeprint", () => {
    before = folded.map((one) => one.open);
    folded.forEach((one) => (one.open = true));
  });
  window.addEventListener("afterprint", () => folded.forEach((one, n) => (one.open = before[n])));

  document.querySelectorAll("table.sortable").forEach(makeSortable);
  document.querySelectorAll("select[data-filters]").forEach(makeFilter);
})();
